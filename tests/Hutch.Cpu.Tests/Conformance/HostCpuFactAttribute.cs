using System;
using Xunit;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// A test that takes the host CPU for the truth. Skipped, with the reason, where what runs this host does not pass the CPU on as it is: some hypervisors answer
/// an access through RSP, whose sum is an address like any other, with #GP as soon as RSP alone is none.
/// </summary>
public sealed class HostCpuFactAttribute : FactAttribute
{
    private const int GeneralProtection = 13;
    private const ulong NotCanonical = 0x8123_4567_89ab_cdef;

    private static readonly Lazy<string?> Reason = new(Look);

    /// <summary>Looks at the host.</summary>
    public HostCpuFactAttribute() => Skip = Reason.Value!;

    private static string? Look()
    {
        using OracleProcess oracle = new(new byte[OracleLayout.DataBytes]);
        var vectors = new TestVector[OracleLayout.MaxVectors];
        for (int i = 0; i < vectors.Length; i++) vectors[i] = ThroughStackPointer(OracleLayout.Data + (ulong)i * 16);
        oracle.Run(vectors);
        var outcome = new TestOutcome();
        int wrong = 0;
        for (int i = 0; i < vectors.Length; i++)
        {
            oracle.Read(i, outcome);
            if (outcome.Trap == GeneralProtection) wrong++;
        }
        return wrong == 0 ? null : $"This host's hypervisor answers {wrong} of {vectors.Length} sound accesses through RSP with #GP, which no CPU does.";
    }

    // add [rsp+rax], ecx: the address is mapped and writable.
    private static TestVector ThroughStackPointer(ulong address)
    {
        var vector = TestVector.Of(0x01, 0x0c, 0x04);
        vector.Gpr[4] = NotCanonical;
        vector.Gpr[0] = address - NotCanonical;
        return vector;
    }
}
