using Hutch.Core.State;
using static Hutch.Devices.Ata.AtaRegisters;

namespace Hutch.Devices.Ide;

/// <summary>
/// The registers of one device. Count and address are two deep, as 48-bit commands want them (ATA/ATAPI-6 §6.2): the low byte is what was written last, the high byte
/// what was written before.
/// </summary>
internal sealed class IdeTaskFile
{
    private ushort _features, _count, _lbaLow, _lbaMid, _lbaHigh;

    /// <summary>The status register.</summary>
    internal byte Status { get; set; }

    /// <summary>The error register.</summary>
    internal byte Error { get; set; }

    /// <summary>The device register.</summary>
    internal byte Device { get; set; }

    /// <summary>The features register, both bytes.</summary>
    internal ushort Features => _features;

    /// <summary>The count register, both bytes.</summary>
    internal ushort Count => _count;

    /// <summary>All 48 bits of the address.</summary>
    internal ulong Lba => (byte)_lbaLow | (ulong)(byte)_lbaMid << 8 | (ulong)(byte)_lbaHigh << 16 | (ulong)(_lbaLow >> 8) << 24 | (ulong)(_lbaMid >> 8) << 32 | (ulong)(_lbaHigh >> 8) << 40;

    /// <summary>Reads one of the registers between data and status.</summary>
    /// <param name="register">Its offset.</param>
    /// <param name="highOrder">The byte that was written before, where there is one.</param>
    internal byte Read(int register, bool highOrder)
    {
        int shift = highOrder ? 8 : 0;
        return register switch
        {
            IdeRegisters.ErrorOrFeatures => Error,
            IdeRegisters.Count => (byte)(_count >> shift),
            IdeRegisters.LbaLow => (byte)(_lbaLow >> shift),
            IdeRegisters.LbaMid => (byte)(_lbaMid >> shift),
            IdeRegisters.LbaHigh => (byte)(_lbaHigh >> shift),
            _ => Device,
        };
    }

    /// <summary>Writes one of them.</summary>
    internal void Write(int register, byte value)
    {
        switch (register)
        {
            case IdeRegisters.ErrorOrFeatures: _features = (ushort)(_features << 8 | value); break;
            case IdeRegisters.Count: _count = (ushort)(_count << 8 | value); break;
            case IdeRegisters.LbaLow: _lbaLow = (ushort)(_lbaLow << 8 | value); break;
            case IdeRegisters.LbaMid: _lbaMid = (ushort)(_lbaMid << 8 | value); break;
            case IdeRegisters.LbaHigh: _lbaHigh = (ushort)(_lbaHigh << 8 | value); break;
            default: Device = (byte)(value | IdeRegisters.DeviceObsolete); break;
        }
    }

    /// <summary>Shows a value in the count register.</summary>
    internal void ShowCount(byte value) => _count = value;

    /// <summary>Shows how many bytes of a packet command the next block has.</summary>
    internal void ShowBytes(int count) => (_lbaMid, _lbaHigh) = ((byte)count, (byte)(count >> 8));

    /// <summary>Shows what the device is, as after a reset: count in the low byte, then the address.</summary>
    internal void ShowSignature(uint signature)
    {
        (_count, _lbaLow, _lbaMid, _lbaHigh) = ((byte)signature, (byte)(signature >> 8), (byte)(signature >> 16), (byte)(signature >> 24));
        Device = (byte)(Device & IdeRegisters.SelectSecond | IdeRegisters.DeviceObsolete);
    }

    /// <summary>After a reset. A packet device is not ready until it has a command (ATA/ATAPI-6 §9.12).</summary>
    internal void Reset(uint signature)
    {
        _features = 0;
        Error = IdeRegisters.DiagnosticPassed;
        Status = signature == PacketSignature ? (byte)0 : StatusGood;
        ShowSignature(signature);
    }

    /// <summary>Saves or restores the registers.</summary>
    internal void Exchange(StateFields fields)
    {
        uint[] registers = [Status, Error, Device, _features, _count, _lbaLow, _lbaMid, _lbaHigh];
        fields.Numbers("registers", registers);
        (Status, Error, Device) = ((byte)registers[0], (byte)registers[1], (byte)registers[2]);
        (_features, _count, _lbaLow, _lbaMid, _lbaHigh) = ((ushort)registers[3], (ushort)registers[4], (ushort)registers[5], (ushort)registers[6], (ushort)registers[7]);
    }
}
