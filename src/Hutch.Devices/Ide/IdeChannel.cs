using System;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Ata;
using Hutch.Host.Files;
using static Hutch.Devices.Ata.AtaRegisters;
using static Hutch.Devices.Ide.IdeRegisters;

namespace Hutch.Devices.Ide;

/// <summary>
/// One channel with up to two drives (ATA/ATAPI-6 §9). The guest's side is here: registers, the data port and interrupts, under the controller's lock. The other part
/// of the class executes commands, in the controller's worker. There is one command at a time; what is written over it is ignored, but for resets.
/// </summary>
internal sealed partial class IdeChannel : IBusDevice, IDisposable
{
    /// <summary>The longest part of a programmed transfer that storage is asked for at once.</summary>
    internal const int BufferBytes = 64 << 10;

    private const int DriveCount = 2;

    private readonly IdeController _controller;
    private readonly GuestMemory _memory;
    private readonly InterruptLine _line;
    private readonly AtaDrive?[] _drives;
    private readonly IdeTaskFile[] _files = [new(), new()];
    private readonly NativeBuffer _buffer = new(BufferBytes);
    private readonly IdeRequest _request;
    private IdePhase _phase;
    private int _selected, _owner, _resets, _at, _blockEnd, _fill;
    private byte _control;
    private bool _interrupt;

    /// <summary>Makes the channel.</summary>
    /// <param name="controller">Its controller.</param>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="line">Its interrupt.</param>
    /// <param name="drives">Device 0 and device 1.</param>
    internal IdeChannel(IdeController controller, GuestMemory memory, InterruptLine line, AtaDrive?[] drives)
    {
        (_controller, _memory, _line, _drives) = (controller, memory, line, drives);
        _request = new IdeRequest(this, controller.Completed);
        Control = new ControlPort(this);
    }

    /// <summary>The control block's port.</summary>
    internal IBusDevice Control { get; }

    /// <summary>The bus master.</summary>
    internal BusMaster Master { get; } = new();

    private IdeTaskFile Selected => _files[_selected];

    private bool UsesBuffer => _phase is IdePhase.DataIn or IdePhase.DataOut or IdePhase.NextPart;

    private AtaDrive Drive => _drives[_owner]!;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (_controller.Lock)
        {
            if (offset == Data) ReadData(data);
            else
                for (int i = 0; i < data.Length; i++) data[i] = ReadRegister((int)offset + i);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        lock (_controller.Lock)
        {
            if (offset == Data) WriteData(data);
            else
                for (int i = 0; i < data.Length; i++) WriteRegister((int)offset + i, data[i]);
        }
        return BusStatus.Handled;
    }

    /// <summary>Writes a register of the bus master. Under the lock.</summary>
    internal void WriteMaster(int register, byte value)
    {
        if (Master.Write(register, value) && _phase == IdePhase.AwaitsMaster) Begin(IdePhase.Begun);
    }

    /// <summary>Power-on; nothing is in flight. The drives are reset by the caller.</summary>
    internal void Reset()
    {
        _phase = IdePhase.Idle;
        _selected = _owner = _resets = _at = _blockEnd = _fill = 0;
        _control = 0;
        Master.Reset();
        ShowReset(0b11);
        SetInterrupt(false);
    }

    /// <summary>Saves or restores the channel; nothing is in flight.</summary>
    internal void Exchange(StateFields fields)
    {
        int phase = (int)_phase;
        fields.Value("phase", ref phase, 0, (int)IdePhase.Diagnostic);
        _phase = (IdePhase)phase;
        fields.Value("selected", ref _selected, 0, DriveCount - 1);
        fields.Value("owner", ref _owner, 0, DriveCount - 1);
        fields.Value("resets", ref _resets, 0, 0b11);
        fields.Value("control", ref _control);
        fields.Value("interrupt", ref _interrupt);
        fields.Group("master", Master.Exchange);
        for (int i = 0; i < DriveCount; i++)
        {
            fields.Group($"file{i}", _files[i].Exchange);
            if (_drives[i] is AtaDrive drive) fields.Group($"drive{i}", drive.Exchange);
        }
        // A command is being worked on only by a drive that is there.
        fields.Require(_phase == IdePhase.Idle || _drives[_owner] is not null, "owner");
        if (_phase != IdePhase.Idle) fields.Group("request", group => _request.Exchange(group, UsesBuffer ? _buffer : null, Drive.Node));
        ExchangeBuffer(fields);
        UpdateInterrupt();
    }

    /// <summary>Closes the drives.</summary>
    public void Dispose()
    {
        foreach (AtaDrive? drive in _drives) drive?.Dispose();
        _buffer.Dispose();
    }

    private void ExchangeBuffer(StateFields fields)
    {
        fields.Value("at", ref _at, 0, BufferBytes);
        fields.Value("block-end", ref _blockEnd, _at, BufferBytes);
        fields.Value("fill", ref _fill, _blockEnd, BufferBytes);
        byte[] content = fields.Blob("buffer", UsesBuffer ? _buffer.Span[.._fill].ToArray() : [], BufferBytes);
        if (!fields.IsRestoring) return;
        fields.Require(content.Length == (UsesBuffer ? _fill : 0) && (_phase is not (IdePhase.DataIn or IdePhase.DataOut) || _at < _blockEnd), "buffer");
        fields.Require(_phase != IdePhase.PacketIn || (_at < PacketBytes && _blockEnd == PacketBytes), "buffer");
        content.CopyTo(_buffer.Span);
    }

    private byte ReadRegister(int register)
    {
        // A device that is not there answers zeros, in whose place device 0 does so where it can (ATA/ATAPI-6 §9.16).
        if (_drives[_selected] is null) return 0;
        if (register != StatusOrCommand) return Selected.Read(register, (_control & HighOrder) != 0);
        SetInterrupt(false);
        return Selected.Status;
    }

    private void WriteRegister(int register, byte value)
    {
        _control &= unchecked((byte)~HighOrder);
        if (register == StatusOrCommand)
        {
            if (_drives[_selected] is AtaDrive drive && (_control & SoftwareReset) == 0) WriteCommand(value, drive.Signature == PacketSignature);
            return;
        }
        if (register == IdeRegisters.Device) _selected = (value & SelectSecond) != 0 ? 1 : 0;
        foreach (IdeTaskFile file in _files) file.Write(register, value);
    }

    private void WriteCommand(byte value, bool isPacketDevice)
    {
        if (value == DeviceReset && isPacketDevice)
        {
            BeginReset(1 << _selected);
            return;
        }
        if (_phase != IdePhase.Idle || _resets != 0) return;
        SetInterrupt(false);
        _owner = _selected;
        _request.Take(Selected, value);
        Selected.Error = 0;
        if (value == ExecuteDiagnostic)
        {
            BeginReset(0b11);
            _phase = IdePhase.Diagnostic;
        }
        else if (_request.IsPacket && isPacketDevice)
        {
            (_at, _blockEnd, _fill) = (0, PacketBytes, PacketBytes);
            Await(IdePhase.PacketIn, ReasonCommand);
        }
        else BeginOrAwaitMaster(_request.IsDma && !isPacketDevice);
    }

    private void BeginOrAwaitMaster(bool isDma)
    {
        if (isDma && !Master.IsActive) Await(IdePhase.AwaitsMaster, ReasonIn);
        else Begin(IdePhase.Begun);
    }

    // The worker is next.
    private void Begin(IdePhase phase)
    {
        _phase = phase;
        _files[_owner].Status = StatusBusy;
        _controller.Signal();
    }

    // The device asks for data, or for the bus master.
    private void Await(IdePhase phase, byte reason)
    {
        _phase = phase;
        _files[_owner].Status = StatusGood | StatusRequest;
        if (_request.IsPacket) _files[_owner].ShowCount(reason);
    }

    // A block of data lies in the buffer, or is to be put there.
    private void BeginBlock(IdePhase phase, bool interrupts)
    {
        bool isPacket = _request.IsPacket;
        _blockEnd = Math.Min(_fill, _at + (isPacket ? _request.LimitBytes : Drive.BlockBytesOf(_request.Command)));
        if (isPacket) _files[_owner].ShowBytes(_blockEnd - _at);
        Await(phase, ReasonIn);
        if (interrupts) SetInterrupt(true);
    }

    private void ReadData(Span<byte> data)
    {
        data.Clear();
        if (_phase != IdePhase.DataIn || _selected != _owner) return;
        int part = Math.Min(data.Length, _blockEnd - _at);
        _buffer.Span.Slice(_at, part).CopyTo(data);
        _at += part;
        if (_at < _blockEnd) return;
        if (_at < _fill) BeginBlock(IdePhase.DataIn, interrupts: true);
        else if (_request.LeftBytes != 0) Begin(IdePhase.NextPart);
        else
        {
            // A packet command says that it is complete; another one is when its last block has been read.
            if (_request.IsPacket) _files[_owner].ShowCount(ReasonComplete);
            _phase = IdePhase.Idle;
            _files[_owner].Status = StatusGood;
            if (_request.IsPacket) SetInterrupt(true);
        }
    }

    private void WriteData(ReadOnlySpan<byte> data)
    {
        if (_phase is not (IdePhase.PacketIn or IdePhase.DataOut) || _selected != _owner) return;
        int part = Math.Min(data.Length, _blockEnd - _at);
        data[..part].CopyTo((_phase == IdePhase.PacketIn ? _request.PacketBuffer : _buffer.Span)[_at..]);
        _at += part;
        if (_at < _blockEnd) return;
        if (_phase == IdePhase.PacketIn) BeginOrAwaitMaster(_request.IsDma);
        else if (_at < _fill) BeginBlock(IdePhase.DataOut, interrupts: true);
        else Begin(IdePhase.NextPart);
    }

    private void WriteControl(byte value)
    {
        byte before = _control;
        _control = (byte)(value & (HighOrder | SoftwareReset | NoInterrupt));
        if ((value & ~before & SoftwareReset) != 0)
        {
            _selected = 0;
            SetInterrupt(false);
            foreach (IdeTaskFile file in _files) file.Status = StatusBusy;
            if (_phase != IdePhase.Working) _phase = IdePhase.Idle;
        }
        if ((before & ~value & SoftwareReset) != 0) BeginReset(0b11);
        UpdateInterrupt();
    }

    // The devices are busy until the worker, which alone talks to drives, has reset them, and until storage is done with what it was asked for.
    private void BeginReset(int devices)
    {
        _resets |= devices;
        for (int i = 0; i < DriveCount; i++)
            if ((devices >> i & 1) != 0) _files[i].Status = StatusBusy;
        if (_phase != IdePhase.Working && (devices >> _owner & 1) != 0) _phase = IdePhase.Idle;
        _controller.Signal();
    }

    private void ShowReset(int devices)
    {
        for (int i = 0; i < DriveCount; i++)
            if ((devices >> i & 1) != 0) _files[i].Reset(_drives[i]?.Signature ?? 0);
    }

    private void SetInterrupt(bool asserted)
    {
        _interrupt = asserted;
        if (asserted && (_control & NoInterrupt) == 0) Master.Interrupted();
        UpdateInterrupt();
    }

    private void UpdateInterrupt() => _line.SetLevel(_interrupt && (_control & NoInterrupt) == 0);

    /// <summary>The control block: one port, which shows the status and takes the device control register.</summary>
    private sealed class ControlPort(IdeChannel channel) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            lock (channel._controller.Lock) data[0] = channel._drives[channel._selected] is null ? (byte)0 : channel.Selected.Status;
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            lock (channel._controller.Lock) channel.WriteControl(data[0]);
            return BusStatus.Handled;
        }
    }
}
