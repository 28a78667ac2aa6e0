using Xunit;

namespace Hutch.Block.Tests;

/// <summary>The other image tool.</summary>
internal static class QemuImg
{
    /// <summary>Runs it; its output, both streams, when it ends with status 0.</summary>
    internal static string Run(params string[] arguments)
    {
        (int status, string output) = Try(arguments);
        Assert.True(status == 0, $"qemu-img {string.Join(' ', arguments)} ended with {status}: {output}");
        return output;
    }

    /// <summary>Runs it; its status and its output.</summary>
    internal static (int Status, string Output) Try(params string[] arguments) => Qemu.Run("qemu-img", arguments);
}
