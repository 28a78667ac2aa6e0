using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using Hutch.Block.Nbd;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

/// <summary>QEMU's server on a socket in a folder, until it is disposed of.</summary>
internal sealed class QemuNbd : IDisposable
{
    private readonly int _pid;

    internal QemuNbd(string folder, params string[] arguments)
    {
        Socket = Path.Combine(folder, $"{Guid.NewGuid():N}.s");
        string pid = $"{Socket}.pid";
        // It returns when it serves.
        (int status, string text) = Qemu.Run("qemu-nbd", ["-t", "--fork", "--pid-file", pid, "-k", Socket, "-e", "4", .. arguments]);
        Assert.True(status == 0, text);
        _pid = int.Parse(File.ReadAllText(pid), CultureInfo.InvariantCulture);
    }

    internal string Socket { get; }

    internal NbdClientOptions Client => new() { Address = NbdAddress.Parse($"nbd+unix://?socket={Socket}") };

    public void Dispose()
    {
        using Process process = Process.GetProcessById(_pid);
        process.Kill();
        process.WaitForExit();
    }
}
