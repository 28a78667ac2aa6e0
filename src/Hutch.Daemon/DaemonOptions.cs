using System.Collections.Generic;
using System.IO;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Files;
using Hutch.Host.Trials;
using Hutch.Management.Machines;

namespace Hutch.Daemon;

/// <summary>What the daemon was started with.</summary>
/// <param name="SocketPath">Where clients connect; those who may only look connect to the same with <c>-ro</c>.</param>
/// <param name="VmmProgram">The program of machines.</param>
/// <param name="Uri">Its name as libvirt's clients spell it.</param>
internal sealed record DaemonOptions(string SocketPath, string VmmProgram, string Uri)
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite, Everybody =
        Owner | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private static bool IsRoot => SystemTrials.UserId == 0;

    /// <summary>Reads the command line. Throws <see cref="IOException"/> with a sentence.</summary>
    internal static DaemonOptions Parse(string[] arguments)
    {
        string path = Path.Combine(RuntimeDirectory.Of("hutchd"), "libvirt-sock"), vmm = MachineStarter.UsualProgram;
        for (int index = 0; index < arguments.Length; index++)
        {
            string option = arguments[index];
            if (option is not ("--listen" or "--vmm")) throw new IOException($"'{option}' is not understood; there are '--listen PATH' and '--vmm PATH'.");
            if (++index == arguments.Length || !Path.IsPathRooted(arguments[index])) throw new IOException($"{option} wants an absolute path, such as '--listen /run/libvirt/libvirt-sock'.");
            if (option == "--listen") path = arguments[index];
            else vmm = arguments[index];
        }
        return new DaemonOptions(path, vmm, IsRoot ? "qemu:///system" : "qemu:///session");
    }

    /// <summary>Whether a user's connections are taken: anybody's to look, the daemon's own user's and root's to change something.</summary>
    internal static bool MayEnter(ClientIdentity identity, bool isReadOnly) => isReadOnly || identity.User == 0 || identity.User == SystemTrials.UserId;

    /// <summary>Opens the sockets: for the owner, and for everybody on this host who wants to look where the daemon is root's. Throws <see cref="IOException"/>.</summary>
    internal IEnumerable<RpcListener> Open()
    {
        if (Path.GetDirectoryName(SocketPath) is { } folder && !Directory.Exists(folder)) RuntimeDirectory.Create(folder);
        yield return RpcListener.Open(SocketPath, isReadOnly: false, Owner);
        if (IsRoot) yield return RpcListener.Open($"{SocketPath}-ro", isReadOnly: true, Everybody);
    }
}
