using System;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// What interrupts the flow of instructions of one vCPU: stop requests, messages about code, INIT, SIPI, NMI, interrupts, HLT. Everything but
/// <see cref="RequestStop"/> and <see cref="Wake"/> runs on the vCPU's thread with the state in memory.
/// </summary>
internal sealed unsafe class VcpuEvents(SoftVcpu vcpu) : IDisposable
{
    private readonly VcpuWait _wait = new();
    private VcpuStop? _stop;
    private bool _stopRequested;

    /// <summary>Running, halted, or waiting for SIPI.</summary>
    public VcpuActivity Activity { get; set; }

    /// <summary>An interrupt that another engine had acknowledged when the state was saved; delivered before the next instruction.</summary>
    public byte? PendingInterrupt { get; set; }

    /// <summary>An exception that another engine had raised; delivered first.</summary>
    public PendingException? PendingException { get; set; }

    /// <summary>A reason to leave Run is recorded.</summary>
    public bool StopPending => _stop is not null;

    /// <summary>Any thread.</summary>
    public void RequestStop()
    {
        Volatile.Write(ref _stopRequested, true);
        vcpu.Kick();
    }

    /// <summary>Any thread: ends a wait. The reason is visible already.</summary>
    public void Wake() => _wait.Wake();

    /// <summary>Takes the recorded reason.</summary>
    public VcpuStop TakeStop()
    {
        VcpuStop stop = _stop ?? VcpuStop.Failed;
        _stop = null;
        return stop;
    }

    /// <summary>Records that the engine cannot go on.</summary>
    public void Fail(string what)
    {
        vcpu.Failure ??= new VcpuFailure(what.TrimEnd('.'));
        _stop = VcpuStop.Failed;
    }

    /// <summary>Follows up an interpreted instruction. False: Run must return.</summary>
    public bool Complete(StepResult result)
    {
        switch (result)
        {
            case StepResult.Continue: return true;
            case StepResult.Halt:
                Activity = VcpuActivity.Halted;
                return Handle();
            case StepResult.TripleFault:
                _stop = VcpuStop.TripleFault;
                return false;
            default:
                Fail($"The software engine cannot execute the instruction at RIP 0x{vcpu.Context->Rip:x}");
                return false;
        }
    }

    /// <summary>Serves what is pending and waits while the vCPU is not running. False: Run must return.</summary>
    public bool Handle()
    {
        VcpuContext* c = vcpu.Context;
        while (true)
        {
            // Cleared before the sources are looked at: a source sets it after it has posted.
            c->MaskedInterrupt = 0;
            c->WindowRequest = 0;
            Volatile.Write(ref c->ExternalRequest, 0);
            Interlocked.MemoryBarrier();
            vcpu.Messages.Take();
            if (Volatile.Read(ref _stopRequested))
            {
                Volatile.Write(ref _stopRequested, false);
                _stop = VcpuStop.Requested;
                return false;
            }
            if ((PendingException is not null || PendingInterrupt is not null) && !DeliverRestored()) return false;
            if (vcpu.Apic.HasWork && !TakeApicWork()) return false;
            if (Activity == VcpuActivity.Running)
            {
                // A request that came with this one, above all behind an interrupt shadow, is served before the next instruction.
                if (Volatile.Read(ref c->ExternalRequest) == 0) return true;
                continue;
            }
            _wait.Sleep(_hasReason ??= () => vcpu.Context->Request != 0);
        }
    }

    private Func<bool>? _hasReason;

    /// <summary>Takes the INIT and the SIPI that wait. Also called before a state is saved, which has no place for them.</summary>
    public void TakeStartUp()
    {
        if (vcpu.Apic.TakeInit())
        {
            vcpu.Interpreter.Initialise();
            Activity = vcpu.Index == 0 ? VcpuActivity.Running : VcpuActivity.WaitForSipi;
        }
        int sipi = vcpu.Apic.TakeSipi();
        if (sipi >= 0 && Activity == VcpuActivity.WaitForSipi) StartUp(sipi);
    }

    // False: triple fault.
    private bool DeliverRestored()
    {
        Activity = VcpuActivity.Running;
        if (PendingException is PendingException exception)
        {
            PendingException = null;
            EventKind kind = exception.Vector == (byte)Vector.Debug ? EventKind.Trap : EventKind.Fault;
            return Delivered(vcpu.Interpreter.Deliver(exception.Vector, kind, exception.HasError ? exception.Error : null));
        }
        byte vector = PendingInterrupt.GetValueOrDefault();
        PendingInterrupt = null;
        return Delivered(vcpu.Interpreter.DeliverInterrupt(vector));
    }

    private bool TakeApicWork()
    {
        VcpuContext* c = vcpu.Context;
        TakeStartUp();
        if (Activity == VcpuActivity.WaitForSipi) return true;
        if (c->InterruptShadow != 0)
        {
            // One more instruction must complete first; the request stays so that we come back right behind it.
            Volatile.Write(ref c->ExternalRequest, 1);
            return Complete(vcpu.Interpreter.Step());
        }
        if (c->NmiBlocked == 0 && vcpu.Apic.TakeNmi())
        {
            Activity = VcpuActivity.Running;
            if (!Delivered(vcpu.Interpreter.DeliverNmi())) return false;
            if (vcpu.Apic.HasWork) Volatile.Write(ref c->ExternalRequest, 1);
            return true;
        }
        if (!vcpu.Apic.TryGetInterrupt(extIntAllowed: true, out bool isExtInt, out byte vector)) return true;
        if (c->InterruptFlag == 0)
        {
            c->MaskedInterrupt = 1;
            return true;
        }
        if (isExtInt)
        {
            int acknowledged = vcpu.Exits.AcknowledgeExternalInterrupt();
            if (acknowledged < 0) return true;
            vector = (byte)acknowledged;
        }
        else vcpu.Apic.Acknowledge(vector);
        Activity = VcpuActivity.Running;
        // Another may wait behind it: look again before the handler runs with interrupts on.
        if (!Delivered(vcpu.Interpreter.DeliverInterrupt(vector))) return false;
        if (vcpu.Apic.HasWork) Volatile.Write(ref c->ExternalRequest, 1);
        return true;
    }

    private void StartUp(int vector)
    {
        VcpuContext* c = vcpu.Context;
        ref SegmentState cs = ref c->Segments[(int)Seg.Cs];
        cs.Selector = (ushort)(vector << 8);
        cs.Base = (ulong)vector << 12;
        c->Rip = 0;
        Activity = VcpuActivity.Running;
        vcpu.UpdateMode();
    }

    private bool Delivered(bool delivered)
    {
        if (!delivered) _stop = VcpuStop.TripleFault;
        return delivered;
    }

    /// <inheritdoc/>
    public void Dispose() => _wait.Dispose();
}
