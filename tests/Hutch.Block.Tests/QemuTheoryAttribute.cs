using System;
using System.Linq;
using Xunit;

namespace Hutch.Block.Tests;

/// <summary>The theory of <see cref="QemuFactAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
public class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute(params string[] programs)
    {
        Programs = programs;
        if (programs.FirstOrDefault(static program => Qemu.Find(program) is null) is string missing) Skip = $"{missing} is not installed.";
    }

    public string[] Programs { get; }
}
