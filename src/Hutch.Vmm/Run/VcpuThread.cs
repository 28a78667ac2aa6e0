using System;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Host.Scheduling;

namespace Hutch.Vmm.Run;

/// <summary>
/// The thread of one vCPU. It lives as long as the machine and is either parked or inside <see cref="IVcpu.Run"/>.
/// The state driver resumes, pauses and ends it; when the vCPU stops by itself the thread posts the reason and parks.
/// </summary>
internal sealed class VcpuThread
{
    private const int StackBytes = 1 << 20;

    private readonly object _gate = new();
    private readonly IVcpu _vcpu;
    private readonly IVcpuExits _exits;
    private readonly Mailbox _mailbox;
    private readonly Thread _thread;
    private HostThread _host;
    private bool _wanted;
    private bool _inside;
    private bool _ending;

    /// <summary>Starts the thread, parked.</summary>
    internal VcpuThread(IVcpu vcpu, IVcpuExits exits, Mailbox mailbox)
    {
        _vcpu = vcpu;
        _exits = exits;
        _mailbox = mailbox;
        _thread = new Thread(Loop, StackBytes) { IsBackground = true, Name = $"vcpu{vcpu.Index}" };
        _thread.Start();
        lock (_gate)
        {
            while (_host.Id == 0) Monitor.Wait(_gate);
        }
    }

    /// <summary>Index of the vCPU.</summary>
    internal int Index => _vcpu.Index;

    /// <summary>The thread as the kernel knows it.</summary>
    internal HostThread HostThread => _host;

    /// <summary>Lets the vCPU run.</summary>
    internal void Resume()
    {
        lock (_gate)
        {
            _wanted = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Asks the vCPU to stop; <see cref="WaitParked"/> waits for it. Ask all before waiting for one.</summary>
    internal void RequestPause()
    {
        lock (_gate)
        {
            _wanted = false;
            // Only while inside: a request that meets no Run would end the next one. (If it does, the loop runs again.)
            if (_inside) _vcpu.RequestStop();
        }
    }

    /// <summary>Returns when the vCPU is not running.</summary>
    internal void WaitParked()
    {
        lock (_gate)
        {
            while (_inside) Monitor.Wait(_gate);
        }
    }

    /// <summary>Ends the parked thread.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _ending = true;
            Monitor.PulseAll(_gate);
        }
        _thread.Join();
    }

    private void Loop()
    {
        lock (_gate)
        {
            _host = HostThread.Current;
            Monitor.PulseAll(_gate);
        }
        while (EnterWhenWanted())
        {
            MachineRequest? request = RunOnce();
            // Posted before it counts as parked: whoever waits for that finds all that led to it in the mailbox.
            if (request is not null) _mailbox.Post(request);
            lock (_gate)
            {
                _inside = false;
                if (request is not null) _wanted = false;
                Monitor.PulseAll(_gate);
            }
        }
    }

    private bool EnterWhenWanted()
    {
        lock (_gate)
        {
            while (!_wanted && !_ending) Monitor.Wait(_gate);
            _inside = !_ending;
            return _inside;
        }
    }

    // The wall of this thread: null when the stop was asked for.
    private MachineRequest? RunOnce()
    {
        try
        {
            return _vcpu.Run(_exits) switch
            {
                VcpuStop.Requested => null,
                VcpuStop.TripleFault => new MachineRequest(RequestKind.Reset),
                _ => new MachineRequest(RequestKind.VcpuFailed, Failure: Failure()),
            };
        }
        catch (Exception defect)
        {
            return new MachineRequest(RequestKind.Defect, Detail: $"vCPU {_vcpu.Index} failed: {defect}");
        }
    }

    private VcpuFailure Failure()
    {
        VcpuFailure failure = _vcpu.Failure ?? new VcpuFailure("The engine gave no reason");
        return failure with { What = $"vCPU {_vcpu.Index} cannot go on: {failure.What}" };
    }
}
