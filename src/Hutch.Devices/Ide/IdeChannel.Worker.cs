using System;
using Hutch.Devices.Ata;
using static Hutch.Devices.Ata.AtaRegisters;
using static Hutch.Devices.Ide.IdeRegisters;

namespace Hutch.Devices.Ide;

/// <summary>The worker's side: what drives and storage do for a command. Called by the controller's worker, or by whoever made it quiet.</summary>
internal sealed partial class IdeChannel
{
    private bool _inFlight;

    /// <summary>Storage works on the command.</summary>
    internal bool InFlight => _inFlight;

    /// <summary>Begins or goes on with the command where there is one. True: there was.</summary>
    internal bool Serve()
    {
        bool any = CarryOutResets();
        IdePhase phase;
        lock (_controller.Lock)
        {
            phase = _phase;
            if (phase is not (IdePhase.Begun or IdePhase.NextPart) || _controller.ShouldYield) return any;
            _phase = IdePhase.Working;
        }
        if (phase == IdePhase.NextPart) Go();
        else Execute();
        return true;
    }

    /// <summary>An operation completed.</summary>
    internal void Continue()
    {
        _inFlight = false;
        if (_request.Continue(Drive.Node)) EndOperation();
        else _inFlight = true;
    }

    // Resets the drives that are to be reset, unless storage still works for one. True: there were some.
    private bool CarryOutResets()
    {
        int resets;
        lock (_controller.Lock)
        {
            resets = _phase == IdePhase.Working ? 0 : _resets;
            if (resets == 0) return false;
            // Diagnostics are a command, which a software reset is not.
            bool isDiagnostic = _phase == IdePhase.Diagnostic;
            ResetDrives(resets);
            _resets = 0;
            if (isDiagnostic) _phase = IdePhase.Idle;
            if ((_control & SoftwareReset) != 0) return true;
            ShowReset(resets);
            if (isDiagnostic) SetInterrupt(true);
        }
        return true;
    }

    /// <summary>Resets drives, a bit for each.</summary>
    internal void ResetDrives(int devices)
    {
        for (int i = 0; i < DriveCount; i++)
            if ((devices >> i & 1) != 0) _drives[i]?.Reset();
    }

    private void Execute()
    {
        bool isDma = _request.IsDma;
        if (!isDma) _request.UseBuffer(_buffer);
        else if (!_request.UseTable(_memory, Master.Table))
        {
            lock (_controller.Lock) Master.Fail();
            _request.Refuse();
            End();
            return;
        }
        Drive.Execute(_request);
        bool isAnswer = _request.Operation == AtaOperation.None && (_request.Status & StatusError) == 0 && _request.MovedBytes != 0;
        if (isDma || (!isAnswer && _request.Operation is not (AtaOperation.Read or AtaOperation.Write)))
        {
            Go();
            return;
        }
        if (_request.IsPacket && _request.LimitBytes == 0)
        {
            _request.Refuse();
            End();
        }
        else if (isAnswer) ShowData((int)_request.MovedBytes);
        else
        {
            _request.BeginParts();
            if (_request.Operation == AtaOperation.Read) Go();
            else AskForData(interrupts: false);
        }
    }

    // Lets storage work: for all of the command, or for the buffer's part of it.
    private void Go()
    {
        if (_request.LeftBytes != 0) _ = _request.NextPart(BufferBytes);
        _inFlight = true;
        if (!_request.Advance(Drive.Node)) return;
        _inFlight = false;
        EndOperation();
    }

    private void EndOperation()
    {
        if (_request.Failure is not null)
        {
            Drive.Fail(_request);
            _controller.Report(Drive.Name, _request.Failure);
            End();
            return;
        }
        // The whole command, or what moves no data of storage.
        if (_request.LeftBytes == 0)
        {
            End();
            return;
        }
        int length = (int)_request.LengthBytes;
        _request.EndPart();
        if (_request.Operation == AtaOperation.Read) ShowData(length);
        else if (_request.LeftBytes != 0) AskForData(interrupts: true);
        else End();
    }

    private void ShowData(int bytes)
    {
        lock (_controller.Lock)
        {
            if (IsForgotten()) return;
            (_at, _fill) = (0, bytes);
            BeginBlock(IdePhase.DataIn, interrupts: true);
        }
    }

    private void AskForData(bool interrupts)
    {
        lock (_controller.Lock)
        {
            if (IsForgotten()) return;
            (_at, _fill) = (0, (int)Math.Min(_request.LeftBytes, BufferBytes));
            BeginBlock(IdePhase.DataOut, interrupts);
        }
    }

    private void End()
    {
        lock (_controller.Lock)
        {
            if (IsForgotten()) return;
            _phase = IdePhase.Idle;
            IdeTaskFile file = _files[_owner];
            (file.Status, file.Error) = (_request.Status, _request.Error);
            if (_request.IsPacket) file.ShowCount(ReasonComplete);
            else if (_request.Count != 0) file.ShowCount((byte)_request.Count);
            // A packet device answers these with what it is (ATA/ATAPI-6 §8.15, §8.27).
            if (Drive.Signature == PacketSignature && _request.Command is Identify or ReadSectors) file.ShowSignature(PacketSignature);
            if (_request.IsDma) Master.End(_request.RoomBytes > _request.MovedBytes);
            SetInterrupt(true);
        }
    }

    // The device was reset meanwhile: the command ends unseen.
    private bool IsForgotten()
    {
        if ((_resets >> _owner & 1) == 0 && (_control & SoftwareReset) == 0) return false;
        _phase = IdePhase.Idle;
        return true;
    }
}
