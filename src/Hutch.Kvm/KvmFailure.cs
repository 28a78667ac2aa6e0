using System;
using System.Globalization;
using System.Text;
using Hutch.Core.Engine;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>Says why the kernel cannot go on with a vCPU.</summary>
internal static unsafe class KvmFailure
{
    private const int MostBytes = 15;

    /// <summary>For the user, from the exit that is in the vCPU's mapping.</summary>
    internal static VcpuFailure Describe(KvmVcpu vcpu, KvmRun* run)
    {
        X86VcpuState state = new();
        vcpu.SaveRegisters(state);
        string where = $"at RIP 0x{state.Rip:x} (CR0 0x{state.Cr0:x}, {Ring(state)})";
        return run->ExitReason switch
        {
            KvmExit.InternalError when run->InternalError == KvmRun.EmulationError =>
                new VcpuFailure($"KVM cannot execute the instruction {Instruction(run)}{where}", "use --engine software"),
            KvmExit.InternalError => new VcpuFailure($"KVM reports the internal error {run->InternalError}{Words(run)} {where}"),
            KvmExit.FailEntry => new VcpuFailure($"The processor refused the vCPU's state (reason 0x{run->EntryFailure:x}) {where}"),
            KvmExit.SystemEvent => new VcpuFailure($"The guest raised KVM's system event {run->SystemEventType} {where}"),
            _ => new VcpuFailure($"KVM left the guest for a reason that is not known here ({(uint)run->ExitReason}) {where}"),
        };
    }

    private static string Ring(X86VcpuState state) => $"ring {(state.Segments[2].Attributes >> 5) & 3}";

    private static string Instruction(KvmRun* run)
    {
        if (run->InternalDataCount < 3 || (run->EmulationFlags & 1) == 0) return "";
        int length = Math.Min(run->InstructionLength, (byte)MostBytes);
        // SAFETY: the field has 15 bytes.
        return $"{Convert.ToHexStringLower(new ReadOnlySpan<byte>(run->Instruction, length))} ";
    }

    private static string Words(KvmRun* run)
    {
        StringBuilder words = new();
        // SAFETY: the field has 16 words.
        for (uint i = 0; i < Math.Min(run->InternalDataCount, 16); i++) words.Append(CultureInfo.InvariantCulture, $" 0x{run->InternalData[i]:x}");
        return words.ToString();
    }
}
