using System;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Cpu;
using Hutch.Host.Time;
using Hutch.Kvm;
using Hutch.Kvm.Abi;
using Hutch.Model.Machine;

namespace Hutch.Tests.Engine;

/// <summary>The engines by their names.</summary>
internal static class Engines
{
    internal const string Software = "software", Kvm = "kvm";

    /// <summary>The software engine as it is where the kernel keeps WRGSBASE from programs.</summary>
    internal const string SoftwareBySystemCall = "software, GS base by system call";

    private static readonly Lazy<string?> Reason = new(Look);

    /// <summary>Why KVM cannot be used here; null when it can.</summary>
    internal static string? WhyNoKvm => Reason.Value;

    /// <summary>Why a capability of KVM cannot be used here; null when it can.</summary>
    internal static string? WhyNo(string capability)
    {
        using KvmHypervisor kvm = KvmHypervisor.Open();
        return kvm.Capabilities[Enum.Parse<KvmCap>(capability)] != 0 ? null : $"This kernel's KVM lacks {capability}.";
    }

    /// <summary>A new engine; the caller disposes it.</summary>
    internal static IHypervisor Create(string name) => name == Kvm ? KvmHypervisor.Open() : new SoftwareEngine(new SoftEngineOptions(AvoidsGsBaseInstructions: name == SoftwareBySystemCall));

    private static string? Look()
    {
        try
        {
            KvmHypervisor.Open().Dispose();
            return null;
        }
        catch (KvmUnavailableException missing)
        {
            return missing.Message;
        }
    }

    /// <summary>The software engine with timers of its own.</summary>
    private sealed class SoftwareEngine : IHypervisor
    {
        private readonly TimerQueue _timers = new(new MonotonicClock());
        private readonly SoftHypervisor _engine;

        internal SoftwareEngine(SoftEngineOptions options) => _engine = new SoftHypervisor(_timers, options);

        public string Name => _engine.Name;

        public bool PrefersHugePages => _engine.PrefersHugePages;

        public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => _engine.CreateMachine(memory, topology, model);

        public void Dispose()
        {
            _engine.Dispose();
            _timers.Dispose();
        }
    }
}
