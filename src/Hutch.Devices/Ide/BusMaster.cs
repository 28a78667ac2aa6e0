using Hutch.Core.State;
using static Hutch.Devices.Ide.IdeRegisters;

namespace Hutch.Devices.Ide;

/// <summary>The bus master registers of a channel (Programming Interface for Bus Master IDE Controller 1.0 §2). Under the controller's lock.</summary>
internal sealed class BusMaster
{
    private byte _command, _status;
    private uint _table;

    /// <summary>Where the table of memory regions is.</summary>
    internal uint Table => _table;

    /// <summary>The guest has started a transfer that has not ended.</summary>
    internal bool IsActive => (_status & MasterActive) != 0;

    /// <summary>Power-on.</summary>
    internal void Reset()
    {
        _command = _status = 0;
        _table = 0;
    }

    /// <summary>Reads a register's byte.</summary>
    internal byte Read(int register) => register switch
    {
        MasterCommand => _command,
        MasterStatus => _status,
        >= MasterTable => (byte)(_table >> (8 * (register - MasterTable))),
        _ => 0,
    };

    /// <summary>Writes a register's byte. True: a transfer was started.</summary>
    internal bool Write(int register, byte value)
    {
        switch (register)
        {
            case MasterCommand:
                bool starts = (value & ~_command & MasterStart) != 0;
                _command = (byte)(value & (MasterStart | MasterToMemory));
                if (starts) _status |= MasterActive;
                // A transfer that storage works on goes on to its end, as if it had been stopped afterwards.
                else if ((value & MasterStart) == 0) _status &= unchecked((byte)~MasterActive);
                return starts;
            case MasterStatus:
                _status = (byte)((value & MasterCapable) | (_status & MasterActive) | (_status & ~value & (MasterError | MasterInterrupt)));
                return false;
            case >= MasterTable:
                int shift = 8 * (register - MasterTable);
                _table = ((_table & ~(0xffu << shift)) | (uint)value << shift) & ~3u;
                return false;
            default: return false;
        }
    }

    /// <summary>The channel interrupts.</summary>
    internal void Interrupted() => _status |= MasterInterrupt;

    /// <summary>The transfer has ended. A table with more room than was needed leaves the bus master active (§3.1).</summary>
    internal void End(bool hasRoomLeft)
    {
        if (!hasRoomLeft) _status &= unchecked((byte)~MasterActive);
    }

    /// <summary>The table led nowhere.</summary>
    internal void Fail() => _status = (byte)((_status | MasterError) & ~MasterActive);

    /// <summary>Saves or restores the registers.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("command", ref _command);
        fields.Value("status", ref _status);
        fields.Value("table", ref _table);
        if (!fields.IsRestoring) return;
        _command &= MasterStart | MasterToMemory;
        _status &= MasterCapable | MasterActive | MasterError | MasterInterrupt;
        _table &= ~3u;
    }
}
