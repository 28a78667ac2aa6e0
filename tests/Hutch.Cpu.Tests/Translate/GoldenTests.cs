using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text;
using Hutch.Cpu.State;
using Hutch.Cpu.Translate;
using Xunit;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>
/// Guest bytes and the host code that they must become, from Golden.txt: a line "= title", a line of options and bytes, then the host code.
/// With HUTCH_UPDATE_GOLDEN=1 the file is rewritten instead.
/// </summary>
public sealed class GoldenTests
{
    private const BlockMode Kernel = BlockMode.Long64 | BlockMode.Protected | BlockMode.Sse | BlockMode.Avx | BlockMode.Cpl0 | BlockMode.Rdtsc | BlockMode.FsGsBase;
    private const BlockMode User = (Kernel & ~BlockMode.Cpl0) | (BlockMode)AccessMode.User;

    private sealed record Case(string Title, string Guest, List<string> Host);

    private static string FilePath([CallerFilePath] string source = "") => Path.Combine(Path.GetDirectoryName(source)!, "Golden.txt");

    public static TheoryData<string> Titles => [.. Read().Select(c => c.Title)];

    private static List<Case> Read()
    {
        List<Case> cases = [];
        foreach (string line in File.ReadAllLines(FilePath()))
        {
            if (line.StartsWith("= ", StringComparison.Ordinal)) cases.Add(new Case(line[2..], "", []));
            else if (line.Length == 0 || line[0] == '#') continue;
            else if (cases[^1].Guest.Length == 0) cases[^1] = cases[^1] with { Guest = line };
            else cases[^1].Host.Add(line.Trim());
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Titles))]
    public void Guest_code_becomes_the_expected_host_code(string title)
    {
        Case test = Read().First(c => c.Title == title);
        Assert.Equal(string.Join('\n', test.Host), string.Join('\n', Disassemble(test.Guest)));
    }

    [Fact]
    public void The_golden_file_is_rewritten_on_demand()
    {
        if (Environment.GetEnvironmentVariable("HUTCH_UPDATE_GOLDEN") != "1") return;
        StringBuilder text = new();
        foreach (Case test in Read())
            text.Append("= ").AppendLine(test.Title).AppendLine(test.Guest).AppendLine("    " + string.Join("\n    ", Disassemble(test.Guest))).AppendLine();
        File.WriteAllText(FilePath(), text.ToString());
    }

    // SAFETY: buffers are pinned locals that outlive the translator's use of them.
    private static unsafe List<string> Disassemble(string guest)
    {
        string[] words = guest.Split(' ');
        BlockMode mode = words[0] == "user" ? User : Kernel;
        ulong rip = ulong.Parse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        byte[] code = [.. words.Skip(2).Select(w => byte.Parse(w, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        byte[] host = new byte[0x8000];
        fixed (byte* codeStart = code, hostStart = host)
        {
            TranslationRequest request = new() { Rip = rip, Mode = mode, Code = codeStart, Available = code.Length };
            Assert.True(new BlockTranslator(TestStubs.Named).Translate(request, hostStart, TestStubs.CodeAddress, host.Length, out TranslatedBlock block));
            return TestStubs.Disassemble(host.AsSpan(0, block.Length), block, TestStubs.Named);
        }
    }
}
