using System;
using System.Collections.Generic;

namespace Hutch.Dev.Iotests;

/// <summary>
/// <c>./dev iotests</c>: runs the public tests of QEMU's image formats with our programs in the places of qemu-img and qemu-io. The tests come from Debian's
/// source package, into the user's cache: they are not part of this repository.
/// </summary>
internal sealed class IotestsCommand(string root)
{
    private const string Usage = "usage: ./dev iotests [-raw] [-qcow2] [--reference] [--programs FOLDER] [TESTS...]";

    /// <summary>Tests that need nothing but qemu-img, qemu-io and the formats themselves.</summary>
    private static readonly Dictionary<string, string> Tests = new()
    {
        ["raw"] = "001 002 003 004 005 008 009 010 011 012 021 025 032 033 048 052 063 077 101 104 106 113 150 159 160 170 171 197 215 221 226 251 253",
        ["qcow2"] = "001 002 003 004 005 008 009 010 011 012 013 014 015 017 018 019 021 022 023 024 025 027 029 031 032 034 035 036 037 038 039 042 043 047 048 049 050 "
            + "052 053 054 062 063 069 072 073 079 080 090 097 103 104 105 107 111 112 114 115 121 122 125 126 137 138 154 159 170 174 187 190 226 243 250 252 261 265 "
            + "272 287 290 292 305 313",
    };

    /// <summary>Runs; 0 where no test failed.</summary>
    internal int Run(string[] arguments)
    {
        List<string> formats = [], tests = [];
        bool isReference = false;
        string? programs = null;
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--reference": isReference = true; break;
                case "--programs" when i + 1 < arguments.Length: programs = arguments[++i]; break;
                case ['-', .. string format] when Tests.ContainsKey(format): formats.Add(format); break;
                case ['-', ..]:
                    Console.Error.WriteLine(Usage);
                    return 2;
                default: tests.Add(arguments[i]); break;
            }
        }
        if (formats.Count == 0) formats.AddRange(Tests.Keys);
        try
        {
            TestTree tree = TestTree.Get();
            TestPrograms under = isReference ? TestPrograms.OfQemu(tree) : TestPrograms.OfHutch(root, programs, tree);
            int worst = 0;
            foreach (string format in formats)
            {
                TestRun run = new(tree, under, format);
                worst = Math.Max(worst, run.Execute(tests.Count > 0 ? tests : [.. Tests[format].Split(' ')]));
            }
            return worst;
        }
        catch (MissingException e)
        {
            Console.Error.WriteLine($"iotests: {e.Message}");
            return 1;
        }
    }
}
