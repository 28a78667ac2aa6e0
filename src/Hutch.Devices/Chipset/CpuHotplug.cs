using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Plugging and pulling of vCPUs while the guest runs, by ACPI: the registers that the methods of the DSDT use, with a bit for each vCPU. A general-purpose event tells the guest that
/// it must look at those that are new, and at those that it is to give up, which it then ejects. What it thinks of that it says by _OST (ACPI 6.5 §6.3.5).
/// <code>
///   +0  plugged in, two double words    +8  new; reading takes them    +16  to be given up
///   +24 written: number of the vCPU that the guest ejects              +28  written by _OST: number in bits 0-7, status in 8-15, event in 16-31
/// </code>
/// </summary>
internal sealed class CpuHotplug : IBusDevice, IStateUnit, ICpuHotplug
{
    /// <summary>First port, and how many there are.</summary>
    internal const ushort BasePort = 0xaf00, LengthBytes = 32;

    /// <summary>The general-purpose event.</summary>
    internal const int GpeNumber = 2;

    /// <summary>vCPUs that take part: those with higher numbers are always there, and so is the first.</summary>
    internal const int MostVcpus = 64;

    private const int Plugged = 0, New = 8, Down = 16, Eject = 24, Ost = 28;

    // Events and statuses of _OST (ACPI 6.5 §6.3.5, tables 6.13 to 6.16).
    private const uint DeviceCheck = 1, EjectRequest = 3, EjectionProcessing = 0x103, InsertionProcessing = 0x200;
    private const uint Success = 0, InsertionInProgress = 0x80, EjectionInProgress = 0x84;

    private readonly Lock _lock = new();
    private readonly PmBlock _pm;
    private readonly IPlatformEvents _platform;
    private readonly ulong _all;
    private ulong _present, _new, _down, _offered, _refused, _ejected;

    /// <summary>Creates the registers.</summary>
    /// <param name="count">vCPUs that there can be.</param>
    /// <param name="absent">Those that are not plugged in.</param>
    /// <param name="pm">Where the event is raised.</param>
    /// <param name="platform">Is told of ejected vCPUs.</param>
    internal CpuHotplug(int count, ulong absent, PmBlock pm, IPlatformEvents platform)
    {
        (_pm, _platform) = (pm, platform);
        _all = ulong.MaxValue >> (MostVcpus - Math.Clamp(count, 1, MostVcpus));
        _present = (_all & ~absent) | 1;
    }

    /// <inheritdoc/>
    public string Name => "cpu-hotplug";

    /// <inheritdoc/>
    public ulong Present => Locked(ref _present);

    /// <inheritdoc/>
    public ulong Offered => Locked(ref _offered);

    /// <inheritdoc/>
    public ulong Asked => Locked(ref _down);

    /// <inheritdoc/>
    public ulong Refused => Locked(ref _refused);

    /// <summary>Puts the registers at their ports.</summary>
    internal void MapOn(AddressBus ports) => ports.Map("cpu hot-plug", BasePort, LengthBytes, this);

    /// <inheritdoc/>
    public void PlugIn(ulong vcpus)
    {
        lock (_lock)
        {
            vcpus &= _all & ~_present;
            if (vcpus == 0) return;
            _present |= vcpus;
            _new |= vcpus;
            _offered |= vcpus;
            _refused &= ~vcpus;
        }
        _pm.RaiseGpe(GpeNumber);
    }

    /// <inheritdoc/>
    public void AskFor(ulong vcpus)
    {
        lock (_lock)
        {
            vcpus &= _present & ~1UL;
            GiveUp(vcpus & _new);
            _down = vcpus & _present;
            _refused = 0;
            if (_down == 0) return;
        }
        _pm.RaiseGpe(GpeNumber);
    }

    /// <inheritdoc/>
    public ulong TakeEjected()
    {
        lock (_lock)
        {
            ulong ejected = _ejected;
            _ejected = 0;
            return ejected;
        }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (_lock)
        {
            Span<byte> registers = stackalloc byte[LengthBytes];
            registers.Clear();
            BinaryPrimitives.WriteUInt64LittleEndian(registers[Plugged..], _present);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[New..], _new);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[Down..], _down);
            registers.Slice((int)offset, data.Length).CopyTo(data);
            if (data.Length != sizeof(uint)) return BusStatus.Handled;
            if (offset == New) _new &= ~(ulong)uint.MaxValue;
            if (offset == New + sizeof(uint)) _new &= uint.MaxValue;
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset is not (Eject or Ost) || data.Length != sizeof(uint)) return BusStatus.Handled;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
        bool ejected = false;
        lock (_lock)
        {
            uint number = offset == Eject ? value : value & 0xff;
            ulong vcpu = number < MostVcpus ? _present & (1UL << (int)number) : 0;
            if (vcpu is 0 or 1) return BusStatus.Handled;
            ejected = offset == Eject;
            if (ejected) GiveUp(vcpu);
            else Hear(vcpu, value >> 16, value >> 8 & 0xff);
        }
        if (ejected) _platform.Ejected();
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        // What is plugged in stays: the tables tell the guest of it.
        lock (_lock) _new = _down = _offered = _refused = 0;
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("new", ref _new);
            fields.Value("down", ref _down);
            fields.Value("offered", ref _offered);
            fields.Value("refused", ref _refused);
            fields.Require(((_new | _down | _offered | _refused) & ~_present) == 0, "new");
        }
    }

    // It is gone for the guest at once; its owner ends it when the machine can be stopped for that.
    private void GiveUp(ulong vcpus)
    {
        _present &= ~vcpus;
        _new &= ~vcpus;
        _down &= ~vcpus;
        _offered &= ~vcpus;
        _refused &= ~vcpus;
        _ejected |= vcpus;
    }

    private void Hear(ulong vcpu, uint what, uint status)
    {
        if (what is DeviceCheck or InsertionProcessing && status != InsertionInProgress)
        {
            if (status != Success) _refused |= _offered & vcpu;
            _offered &= ~vcpu;
        }
        if (what is EjectRequest or EjectionProcessing && status is not (Success or EjectionInProgress))
        {
            _refused |= _down & vcpu;
            _down &= ~vcpu;
        }
    }

    private ulong Locked(ref ulong vcpus)
    {
        lock (_lock) return vcpus;
    }
}
