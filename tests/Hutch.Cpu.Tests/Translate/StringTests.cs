using System;
using Xunit;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>String instructions: whatever way the work is cut into chunks, the host and the translation agree.</summary>
public sealed unsafe class StringTests
{
    private const ulong Rip = 0x40_1000;

    public static TheoryData<string> Forms => ["a4", "66 a5", "a5", "48 a5", "aa", "66 ab", "ab", "48 ab", "ac", "66 ad", "ad", "48 ad"];

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_string_instruction_does_what_the_host_does(string form)
    {
        using CodeBench bench = new();
        for (int seed = 0; seed < 15; seed++) Run(bench, Convert.FromHexString(form.Replace(" ", "", StringComparison.Ordinal)), seed, 0);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_repetition_goes_on_over_pages(string form)
    {
        if (form.EndsWith("ac", StringComparison.Ordinal) || form.EndsWith("ad", StringComparison.Ordinal)) return;
        using CodeBench bench = new();
        for (int seed = 0; seed < 15; seed++) Run(bench, [0xf3, .. Convert.FromHexString(form.Replace(" ", "", StringComparison.Ordinal))], seed, 0x9000);
    }

    private static void Run(CodeBench bench, byte[] code, int seed, int mostBytes)
    {
        Random random = new(seed);
        CodeBench.Registers start = default;
        int size = code[^1] % 2 == 0 ? 1 : code.AsSpan().Contains((byte)0x48) ? 8 : code.AsSpan().Contains((byte)0x66) ? 2 : 4;
        for (int i = 0; i < 16; i++) start.Gpr[i] = (ulong)random.NextInt64();
        // Elements that cross a page are the interpreter's, which is not here.
        start.Gpr[1] = (ulong)random.Next(mostBytes / size + 1);
        start.Gpr[6] = bench.DataAddress + 0x2000 + (ulong)(random.Next(0x1000) & -size);
        start.Gpr[7] = bench.DataAddress + (ulong)(random.Next(2) == 0 ? 0x2000 : 0x5000) + (ulong)(random.Next(0x1000) & -size);
        start.Gpr[4] = bench.DataAddress + 0x1000;
        start.Flags = 0x45;
        byte[] data = new byte[CodeBench.DataBytes];
        random.NextBytes(data);
        CodeBench.Registers native = start, translated = start;
        data.CopyTo(bench.Data);
        bench.RunNative(code, ref native);
        byte[] nativeData = bench.Data[0x2000..].ToArray();
        data.CopyTo(bench.Data);
        int runs = 0;
        CodeBench.Exit exit;
        do exit = bench.RunTranslated([.. code, 0xf4], Rip, ref translated);
        while (exit == CodeBench.Exit.Link && bench.ExitRip == Rip && runs++ < 40);
        Assert.Equal(CodeBench.Exit.Interpret, exit);
        Assert.Equal(Rip + (ulong)code.Length, bench.ExitRip);
        for (int r = 0; r < 16; r++) Assert.Equal(native.Gpr[r], translated.Gpr[r]);
        Assert.Equal(native.Flags, translated.Flags);
        Assert.True(nativeData.AsSpan().SequenceEqual(bench.Data[0x2000..]), bench.LastHostCode);
    }
}
