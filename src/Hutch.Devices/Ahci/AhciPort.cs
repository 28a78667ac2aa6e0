using System;
using System.Buffers.Binary;
using System.Numerics;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Ata;
using static Hutch.Devices.Ahci.AhciRegisters;

namespace Hutch.Devices.Ahci;

/// <summary>
/// One port: its registers (AHCI 1.3.1 §3.3), its command list, and the drive behind it. Registers change under the controller's lock; commands are executed by its
/// worker, without the lock. A command list that is stopped begins a new run: what is in flight then ends unseen, and the list counts as running until it has.
/// </summary>
internal sealed class AhciPort
{
    private readonly AhciController _controller;
    private readonly GuestMemory _memory;
    private readonly SataRequest[] _requests;
    private uint _listBase, _listBaseHigh, _fisBase, _fisBaseHigh, _interruptStatus, _interruptEnable, _command, _taskFile, _signature, _sataControl, _sataError, _active, _issued;
    private uint _run;
    private int _inFlight, _nextSlot;

    // Slots whose objects are in use. A failed command halts the list until it is stopped; a command that is not queued is alone.
    private uint _busySlots;
    private bool _isHalted, _aloneInFlight;

    internal AhciPort(AhciController controller, GuestMemory memory, int number, AtaDrive? drive)
    {
        (_controller, _memory, Number, Drive) = (controller, memory, number, drive);
        _requests = new SataRequest[drive is null ? 0 : SlotCount];
        for (int slot = 0; slot < _requests.Length; slot++) _requests[slot] = new SataRequest(this, slot, controller.Completed);
    }

    /// <summary>Its number.</summary>
    internal int Number { get; }

    /// <summary>What is plugged in.</summary>
    internal AtaDrive? Drive { get; }

    /// <summary>Commands whose storage works on them. Worker, or whoever made it quiet.</summary>
    internal int InFlight => _inFlight;

    /// <summary>Something is to be told to the guest. Under the lock.</summary>
    internal bool Interrupts => (_interruptStatus & _interruptEnable) != 0;

    /// <summary>A reset of the controller. Under the lock.</summary>
    /// <param name="machineReset">Not by the controller's own reset, which leaves the list's and the FIS area's addresses (AHCI 1.3.1 §10.4.3).</param>
    internal void Reset(bool machineReset)
    {
        if (machineReset) _listBase = _listBaseHigh = _fisBase = _fisBaseHigh = 0;
        _interruptStatus = _interruptEnable = _sataControl = _sataError = 0;
        _command = 0;
        StopList();
        ResetDevice();
    }

    /// <summary>Reads a register. Under the lock.</summary>
    internal uint Read(int register) => register switch
    {
        ListBase => _listBase,
        ListBaseHigh => _listBaseHigh,
        FisBase => _fisBase,
        FisBaseHigh => _fisBaseHigh,
        PortInterruptStatus => _interruptStatus,
        PortInterruptEnable => _interruptEnable,
        Command => ReadCommand(),
        TaskFile => _taskFile,
        Signature => _signature,
        SataStatus => Drive is null || (_sataControl & 0xf) != 0 ? 0 : StatusPresent,
        SataControl => _sataControl,
        SataError => _sataError,
        SataActive => _active,
        CommandIssue => _issued,
        _ => 0,
    };

    /// <summary>Writes a register. Under the lock. True: there may be work.</summary>
    internal bool Write(int register, uint value)
    {
        switch (register)
        {
            case ListBase: _listBase = value & ~0x3ffu; break;
            case ListBaseHigh: _listBaseHigh = value; break;
            case FisBase: _fisBase = value & ~0xffu; break;
            case FisBaseHigh: _fisBaseHigh = value; break;
            case PortInterruptStatus: _interruptStatus &= ~value; break;
            case PortInterruptEnable: _interruptEnable = value & InterruptEnableBits; break;
            case Command: return WriteCommand(value);
            case SataControl: WriteSataControl(value); break;
            case SataError: _sataError &= ~value; break;
            case SataActive when (_command & CommandStart) != 0: _active |= value; break;
            case CommandIssue when (_command & CommandStart) != 0:
                _issued |= value;
                return true;
        }
        return false;
    }

    /// <summary>Begins what can be begun. Worker. True: something was.</summary>
    internal bool Issue()
    {
        bool any = false;
        while (TakeSlot() is SataRequest request)
        {
            any = true;
            Begin(request);
        }
        return any;
    }

    /// <summary>An operation of a command completed. Worker, or whoever made it quiet.</summary>
    internal void Continue(SataRequest request)
    {
        if (request.Continue(Drive!.Node)) End(request);
    }

    /// <summary>Saves or restores the port; nothing is in flight.</summary>
    internal void Exchange(StateFields fields)
    {
        uint[] registers = [_listBase, _listBaseHigh, _fisBase, _fisBaseHigh, _interruptStatus, _interruptEnable, _command, _taskFile, _signature, _sataControl, _sataError, _active, _issued];
        fields.Numbers("registers", registers);
        fields.Value("next-slot", ref _nextSlot, 0, SlotCount - 1);
        fields.Value("halted", ref _isHalted);
        if (fields.IsRestoring)
        {
            (_listBase, _listBaseHigh, _fisBase, _fisBaseHigh) = (registers[0] & ~0x3ffu, registers[1], registers[2] & ~0xffu, registers[3]);
            (_interruptStatus, _interruptEnable, _command, _taskFile) = (registers[4], registers[5] & InterruptEnableBits, registers[6] & CommandKept, registers[7]);
            (_signature, _sataControl, _sataError, _active, _issued) = (registers[8], registers[9], registers[10], registers[11], registers[12]);
        }
        if (Drive is not null) fields.Group("drive", Drive.Exchange);
    }

    private uint ReadCommand()
    {
        uint value = _command | CommandSpinUp | CommandPowerOn | (uint)_nextSlot << CommandSlotShift;
        if ((_command & CommandFisReceive) != 0) value |= CommandFisRunning;
        if ((_command & CommandStart) != 0 || _inFlight != 0) value |= CommandListRunning;
        return value;
    }

    private bool WriteCommand(uint value)
    {
        uint before = _command;
        if ((value & CommandListOverride) != 0 && (before & CommandStart) == 0) _taskFile &= ~(uint)(AtaRegisters.StatusBusy | AtaRegisters.StatusRequest);
        _command = value & CommandKept;
        if ((before & ~_command & CommandStart) != 0) StopList();
        // The device's first FIS waits until there is a place for it (§10.1.2).
        if ((~before & _command & CommandFisReceive) != 0 && Drive is not null && _issued == 0) PostSignature(interrupts: false);
        return (~before & _command & CommandStart) != 0;
    }

    private void WriteSataControl(uint value)
    {
        bool wasReset = (_sataControl & 0xf) == 1;
        _sataControl = value & 0xfff;
        switch (value & 0xf)
        {
            case 1 when !wasReset:
                StopCommands();
                _taskFile = NoDevice;
                _signature = SignatureNone;
                break;
            case 0 when wasReset: ResetDevice(); break;
        }
    }

    private void ResetDevice()
    {
        _signature = Drive?.Signature ?? SignatureNone;
        _taskFile = NoDevice;
        if (Drive is null) return;
        _controller.ResetLater(this);
        _taskFile = AtaRegisters.StatusGood | 1u << 8;
        _sataError |= ErrorExchanged;
        _interruptStatus |= InterruptConnect;
        PostSignature(interrupts: false);
    }

    private void StopList()
    {
        StopCommands();
        _nextSlot = 0;
    }

    private void StopCommands()
    {
        _run++;
        _issued = _active = 0;
        _isHalted = false;
    }

    // The next command that may begin, in turn: one that is not queued is alone (§5.3.2.8). It is marked by its number of the run.
    private SataRequest? TakeSlot()
    {
        lock (_controller.Lock)
        {
            if (Drive is null || _isHalted || (_command & CommandStart) == 0 || _issued == 0 || _controller.ShouldYield || _aloneInFlight) return null;
            int slot = (_nextSlot + BitOperations.TrailingZeroCount(BitOperations.RotateRight(_issued, _nextSlot))) % SlotCount;
            // Its object may still be on its way in an earlier run.
            if ((_busySlots >> slot & 1) != 0) return null;
            SataRequest request = _requests[slot];
            ulong header = ((ulong)_listBaseHigh << 32 | _listBase) + ((ulong)slot * HeaderBytes);
            request.Run = _run;
            bool sound = request.Read(_memory, header);
            bool queued = sound && request.Fis[2] is AtaRegisters.ReadFpdma or AtaRegisters.WriteFpdma && (request.Fis[1] & 0x80) != 0;
            if (!queued && _inFlight != 0) return null;
            _nextSlot = (slot + 1) % SlotCount;
            if (!sound || request.Fis[0] != FisHostToDevice)
            {
                _isHalted = true;
                _interruptStatus |= InterruptHostFatal;
                _controller.UpdateInterrupt();
                return null;
            }
            _busySlots |= 1u << slot;
            _inFlight++;
            _aloneInFlight = !queued;
            // A queued command leaves its slot as soon as the drive has it; its tag stays active.
            if (queued) _issued &= ~(1u << slot);
            else _taskFile |= AtaRegisters.StatusBusy;
            return request;
        }
    }

    private void Begin(SataRequest request)
    {
        if ((request.Fis[1] & 0x80) == 0)
        {
            EndControl(request);
            return;
        }
        Drive!.Execute(request);
        if (request.Advance(Drive.Node)) End(request);
    }

    // A control register write: a reset begins, or ends with the signature (ATA8-APT, software reset).
    private void EndControl(SataRequest request)
    {
        bool resets = (request.Fis[15] & AtaRegisters.ControlReset) != 0;
        if (!resets) Drive!.Reset();
        lock (_controller.Lock)
        {
            Leave(request);
            if (request.Run != _run) return;
            _issued &= ~(1u << request.Slot);
            _taskFile = AtaRegisters.StatusGood | 1u << 8;
            _signature = Drive!.Signature;
            if (!resets) PostSignature(interrupts: true);
            _controller.UpdateInterrupt();
        }
    }

    private void End(SataRequest request)
    {
        if (request.Failure is not null)
        {
            Drive!.Fail(request);
            _controller.Report(Drive.Name, request.Failure);
        }
        lock (_controller.Lock)
        {
            Leave(request);
            if (request.Run != _run || _isHalted) return;
            bool failed = (request.Status & AtaRegisters.StatusError) != 0;
            if (!request.IsQueued)
            {
                Span<byte> moved = stackalloc byte[4];
                BinaryPrimitives.WriteUInt32LittleEndian(moved, request.MovedBytes);
                _memory.TryCopyIn(request.Header + 4, moved);
            }
            _taskFile = request.Status | (uint)request.Error << 8;
            if (request.IsQueued) EndQueued(request, failed);
            else
            {
                if (request.IsProgrammedInput && !failed) PostPioSetup(request);
                if (!failed) _issued &= ~(1u << request.Slot);
                PostRegisters(request.Count);
            }
            if (failed)
            {
                _isHalted = true;
                _interruptStatus |= InterruptTaskFile;
            }
            _controller.UpdateInterrupt();
        }
    }

    private void EndQueued(SataRequest request, bool failed)
    {
        uint tag = 1u << request.Slot;
        // After a failure all tags stay active: the driver asks the log which one it was.
        if (!failed) _active &= ~tag;
        Span<byte> fis = stackalloc byte[8];
        fis[0] = FisSetBits;
        fis[1] = FisInterrupt;
        fis[2] = (byte)(request.Status & 0x77);
        fis[3] = request.Error;
        BinaryPrimitives.WriteUInt32LittleEndian(fis[4..], failed ? 0 : tag);
        Post(SetBitsPlace, fis);
        _interruptStatus |= InterruptSetBits;
    }

    private void Leave(SataRequest request)
    {
        _inFlight--;
        _busySlots &= ~(1u << request.Slot);
        _aloneInFlight = false;
    }

    private void PostPioSetup(SataRequest request)
    {
        Span<byte> fis = stackalloc byte[20];
        fis.Clear();
        fis[0] = FisPioSetup;
        fis[1] = FisInterrupt | FisToHost;
        fis[2] = (byte)(AtaRegisters.StatusGood | AtaRegisters.StatusRequest);
        fis[15] = request.Status;
        BinaryPrimitives.WriteUInt16LittleEndian(fis[16..], (ushort)request.MovedBytes);
        Post(PioSetupPlace, fis);
        _interruptStatus |= InterruptPioSetup;
    }

    private void PostSignature(bool interrupts)
    {
        Span<byte> fis = stackalloc byte[20];
        BeginRegisters(fis, interrupts);
        fis[12] = (byte)_signature;
        fis[4] = (byte)(_signature >> 8);
        fis[5] = (byte)(_signature >> 16);
        fis[6] = (byte)(_signature >> 24);
        Post(RegisterPlace, fis);
    }

    private void PostRegisters(ushort count)
    {
        Span<byte> fis = stackalloc byte[20];
        BeginRegisters(fis, interrupts: true);
        BinaryPrimitives.WriteUInt16LittleEndian(fis[12..], count);
        Post(RegisterPlace, fis);
    }

    private void BeginRegisters(Span<byte> fis, bool interrupts)
    {
        fis.Clear();
        fis[0] = FisDeviceToHost;
        fis[1] = interrupts ? FisInterrupt : (byte)0;
        fis[2] = (byte)_taskFile;
        fis[3] = (byte)(_taskFile >> 8);
        if (interrupts) _interruptStatus |= InterruptRegisterFis;
    }

    // A driver that gives no place gets no FIS.
    private void Post(int place, ReadOnlySpan<byte> fis)
    {
        if ((_command & CommandFisReceive) != 0) _memory.TryCopyIn(((ulong)_fisBaseHigh << 32 | _fisBase) + (ulong)place, fis);
    }
}
