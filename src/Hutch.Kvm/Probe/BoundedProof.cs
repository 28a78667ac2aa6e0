using System;
using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Kvm.Probe;

/// <summary>
/// The proof on a thread of its own, because a call into a KVM that is broken need not come back. Whoever asks waits for so long and no longer; then the thread is
/// interrupted, and if that does not help left behind: what it holds it gives back when it returns.
/// </summary>
/// <param name="system">The descriptor of /dev/kvm; owned.</param>
/// <param name="signals">What is known beforehand.</param>
internal sealed class BoundedProof(KvmDescriptor system, ProbeSignals signals)
{
    private const int StackBytes = 256 * 1024;

    private ProofMachine? _machine;
    private KvmProbeResult? _result;
    private ExceptionDispatchInfo? _defect;
    private int _thread;

    /// <summary>The result, or null where there was none in time.</summary>
    /// <param name="patience">How long to wait, and as long again after the interruption.</param>
    internal KvmProbeResult? Run(TimeSpan patience)
    {
        Thread thread = new(Prove, StackBytes) { IsBackground = true, Name = "kvm-probe" };
        thread.Start();
        if (!thread.Join(patience))
        {
            Volatile.Read(ref _machine)?.Interrupt(_thread);
            thread.Join(patience);
            return null;
        }
        _defect?.Throw();
        return _result;
    }

    private void Prove()
    {
        try
        {
            _thread = ThreadKick.CurrentThread;
            using KvmDescriptor owned = system;
            using ProofMachine machine = new(system);
            Volatile.Write(ref _machine, machine);
            _result = Prove(machine);
        }
        catch (LinuxException refused)
        {
            _result = new KvmProbeResult(KvmDevice.OfCall(refused.Errno), signals) { Detail = refused.Message };
        }
        catch (Exception defect)
        {
            // The wall of this thread: it is thrown where the result is waited for.
            _defect = ExceptionDispatchInfo.Capture(defect);
        }
    }

    private KvmProbeResult Prove(ProofMachine machine)
    {
        ImmutableArray<string>.Builder failed = ImmutableArray.CreateBuilder<string>(), ran = ImmutableArray.CreateBuilder<string>();
        string? first = null;
        foreach (ProofInstruction instruction in ProofInstruction.ForHost(machine.OffersXsave))
        {
            string? why = machine.Try(instruction);
            (why is null ? ran : failed).Add(instruction.Name);
            if (why is not null) first ??= $"{instruction.Name}: {why}";
        }
        KvmVerdict verdict = failed.Count == 0 ? KvmVerdict.Hardware : signals is { Module: "kvm_pvm" } ? KvmVerdict.Pvm : KvmVerdict.Incomplete;
        return new KvmProbeResult(verdict, signals) { Ran = ran.ToImmutable(), Failed = failed.ToImmutable(), Detail = first };
    }
}
