using System;
using System.Collections.Generic;
using System.Linq;
using Xunit;

namespace Hutch.Tests.Tidy;

/// <summary>What a rule found: the test fails with every line, each <c>file:line: what is wrong; what to do</c>.</summary>
internal static class Findings
{
    /// <summary>Fails when there is any.</summary>
    internal static void None(IEnumerable<string> findings)
    {
        string[] all = [.. findings.Distinct()];
        if (all.Length > 0) Assert.Fail($"{all.Length} found:{Environment.NewLine}{string.Join(Environment.NewLine, all)}");
    }
}
