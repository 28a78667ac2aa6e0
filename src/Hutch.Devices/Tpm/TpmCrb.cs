using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;
using Hutch.Model.Machine;
using static Hutch.Devices.Tpm.CrbRegisters;

namespace Hutch.Devices.Tpm;

/// <summary>
/// A TPM 2.0 as a PC has it: a command response buffer with locality 0 (TCG PC Client Platform TPM Profile 1.05 §6.5.3). Registers are served under one lock; a worker gives
/// commands to the TPM behind it and takes the responses, so that no vCPU waits for one. There are no interrupts.
/// </summary>
internal sealed class TpmCrb : IDevice, IBusDevice
{
    /// <summary>Where the registers are (PTP §6.5.3), and where in them the part begins that ACPI calls the control area.</summary>
    internal const ulong Address = 0xFED4_0000, ControlArea = Address + ControlRequest;

    /// <summary>Length of the registers with the buffer, and of the buffer.</summary>
    internal const int LengthBytes = 0x1000, BufferBytes = LengthBytes - CrbRegisters.Buffer;

    // A command that a TPM has not ended by then, such as the making of a key, is not waited for when the machine is saved.
    private const int SavePatienceMs = 30_000;

    private static readonly string[] StateParts = ["permanent", "volatile", "saved"];

    private readonly Lock _lock = new();
    private readonly ITpm _tpm;
    private readonly IPlatformEvents _platform;
    private readonly QueueWorker _worker;
    private readonly PollSet _polls = new();
    private readonly byte[] _buffer = new byte[BufferBytes], _command = new byte[BufferBytes], _response = new byte[BufferBytes];
    private int _commandBytes;
    private bool _isGranted, _isIdle, _isCancelSet, _isRunning, _isCancelWanted;

    // The worker's, or its owner's while it is paused.
    private bool _isSent, _wasReset, _isTold;

    /// <summary>Puts the registers into the machine. Owns <paramref name="tpm"/>.</summary>
    internal TpmCrb(string name, MachineServices services, ITpm tpm)
    {
        (Name, _tpm, _platform) = (name, tpm, services.Platform);
        _worker = new QueueWorker(name, Serve, WaitForWork);
        services.Mmio.Map(name, Address, LengthBytes, this);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public void Start() => _worker.Start();

    /// <inheritdoc/>
    public void Stop() => _worker.Stop();

    /// <summary>The platform's reset is the TPM's. The first one is a part of building the machine, and throws <see cref="ConfigException"/> where the TPM does not start.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            (_isGranted, _isIdle, _isCancelSet, _isRunning, _isCancelWanted) = (false, true, false, false, false);
            Array.Clear(_buffer);
        }
        _isSent = false;
        if (!_tpm.Start())
        {
            if (!_wasReset) throw new ConfigException($"The TPM '{Name}' does not start: {_tpm.Trouble}; look at its log, or start swtpm anew.");
            Tell();
        }
        _wasReset = true;
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        if (!fields.IsRestoring) EndCommand();
        lock (_lock)
        {
            fields.Value("granted", ref _isGranted);
            fields.Value("idle", ref _isIdle);
            fields.Value("cancel", ref _isCancelSet);
            fields.Bytes("buffer", _buffer);
        }
        string why = "";
        IReadOnlyList<TpmBlob>? state = fields.IsRestoring ? null : _tpm.Save(out why);
        if (!fields.IsRestoring && state is null) throw new StateException($"The state of the TPM '{Name}' cannot be saved: {why}; the machine can go on, but not be saved.");
        TpmBlob[] parts = new TpmBlob[StateParts.Length];
        for (int i = 0; i < parts.Length; i++) fields.Group(StateParts[i], group => parts[i] = Exchange(group, state?[i] ?? new TpmBlob(0, [])));
        if (fields.IsRestoring && !_tpm.Restore(parts))
            throw new StateException($"The TPM '{Name}' did not take its saved state: {_tpm.Trouble}; start a swtpm of the same version or a later one, and restore again.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _worker.Dispose();
        _tpm.Dispose();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        Span<byte> registers = stackalloc byte[CrbRegisters.Buffer];
        lock (_lock)
        {
            if (offset < CrbRegisters.Buffer) FillRegisters(registers);
            for (int i = 0; i < data.Length; i++)
            {
                int at = (int)offset + i;
                data[i] = at < CrbRegisters.Buffer ? registers[at] : _buffer[at - CrbRegisters.Buffer];
            }
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        bool work = false;
        lock (_lock)
        {
            if (offset >= CrbRegisters.Buffer)
            {
                // While a command runs the buffer is the TPM's.
                if (!_isRunning) data.CopyTo(_buffer.AsSpan((int)offset - CrbRegisters.Buffer));
                return BusStatus.Handled;
            }
            for (int i = 0; i < data.Length;)
            {
                int register = ((int)offset + i) & ~3;
                uint value = 0;
                for (int at = (int)offset + i; i < data.Length && (at & ~3) == register; i++, at++) value |= (uint)data[i] << (8 * (at & 3));
                work |= WriteRegister(register, value);
            }
        }
        if (work) _worker.Signal();
        return BusStatus.Handled;
    }

    private void FillRegisters(Span<byte> registers)
    {
        registers.Clear();
        Put(registers, LocalityState, RegistersValid | (_isGranted ? LocalityAssigned : 0) | (_tpm.IsEstablished ? 0 : NotEstablished));
        Put(registers, LocalityStatus, _isGranted ? Granted : 0);
        Put(registers, InterfaceId, Interface);
        Put(registers, VendorId, Vendor);
        // Requests are carried out at once, so that TPM_CRB_CTRL_REQ is never seen set.
        Put(registers, ControlStatus, _isIdle ? IsIdle : 0);
        Put(registers, CrbRegisters.Cancel, _isCancelSet ? Invoke : 0);
        Put(registers, CrbRegisters.Start, _isRunning ? Invoke : 0);
        Put(registers, CommandBytes, BufferBytes);
        Put(registers, CommandAddress, (uint)Address + CrbRegisters.Buffer);
        Put(registers, ResponseBytes, BufferBytes);
        Put(registers, ResponseAddress, (uint)Address + CrbRegisters.Buffer);
    }

    private static void Put(Span<byte> registers, int register, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(registers[register..], value);

    // True: there is work. Under the lock.
    private bool WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case LocalityControl:
                if ((value & Relinquish) != 0) _isGranted = false;
                if ((value & RequestAccess) != 0) _isGranted = true;
                return false;
            case ControlRequest:
                if (_isRunning) return false;
                if ((value & CommandReady) != 0) _isIdle = false;
                else if ((value & GoIdle) != 0) _isIdle = true;
                return false;
            case CrbRegisters.Cancel:
                bool isNew = !_isCancelSet && (value & Invoke) != 0;
                _isCancelSet = (value & Invoke) != 0;
                _isCancelWanted |= isNew && _isRunning;
                return isNew && _isRunning;
            case CrbRegisters.Start: return (value & Invoke) != 0 && _isGranted && !_isRunning && Begin();
            default: return false;
        }
    }

    // Under the lock. The command is copied, and the copy is used.
    private bool Begin()
    {
        uint length = TpmMessage.LengthOf(_buffer);
        if (!TpmMessage.IsLength(length))
        {
            TpmMessage.WriteError(_buffer, TpmMessage.CommandSize);
            return false;
        }
        _commandBytes = (int)length;
        _buffer.AsSpan(0, _commandBytes).CopyTo(_command);
        _isRunning = true;
        _isCancelWanted = false;
        return true;
    }

    private void WaitForWork()
    {
        _polls.Clear();
        if (_isSent) _polls.Add(_tpm.Descriptor, read: true, write: false);
        _polls.Wait(_worker.Doorbell);
    }

    // On the worker, or with it paused.
    private void Serve()
    {
        bool isCancelled;
        lock (_lock)
        {
            if (!_isRunning) return;
            isCancelled = _isCancelWanted;
            _isCancelWanted = false;
        }
        if (!_isSent && !_tpm.Send(_command.AsSpan(0, _commandBytes)))
        {
            Take(0);
            return;
        }
        _isSent = true;
        if (isCancelled) _tpm.Cancel();
        Take(_tpm.Receive(_response, patienceMs: 0));
    }

    // What ITpm.Receive said.
    private void Take(int length)
    {
        if (length < 0) return;
        if (length == 0)
        {
            Tell();
            length = TpmMessage.WriteError(_response, TpmMessage.Failure);
        }
        _isSent = false;
        lock (_lock)
        {
            _response.AsSpan(0, length).CopyTo(_buffer);
            _isRunning = false;
        }
    }

    private void EndCommand()
    {
        Serve();
        if (!_isSent) return;
        int length = _tpm.Receive(_response, SavePatienceMs);
        if (length < 0) throw new StateException($"The TPM '{Name}' still carries out a command of the guest's after {SavePatienceMs / 1000} seconds; save the machine later.");
        Take(length);
    }

    private void Tell()
    {
        if (_isTold) return;
        _isTold = true;
        _platform.Alarm($"The TPM '{Name}' does not work any more ({_tpm.Trouble}); the guest's commands to it fail", AlarmAction.None);
    }

    private static TpmBlob Exchange(StateFields fields, TpmBlob blob)
    {
        uint flags = blob.Flags;
        fields.Value("flags", ref flags);
        return new TpmBlob(flags, fields.Blob("bytes", blob.Bytes, TpmBlob.MostBytes));
    }
}
