using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using Hutch.Cli.Guests;
using Hutch.Model.Machine;

namespace Hutch.Cli.Debian;

/// <summary>
/// Installs Debian 12 into the root file system of a disk with mmdebstrap: as root in namespaces of its own, which end with this process whatever happens, or as
/// an ordinary user in a user namespace. No loop device, and no mount that the host sees.
/// </summary>
internal static class DebianSystem
{
    /// <summary>What is installed besides the packages that every Debian has.</summary>
    internal const string Packages = "systemd-sysv,systemd-resolved,libnss-myhostname,udev,dbus,kmod,iproute2,iputils-ping,login,openssh-server,busybox-static,ca-certificates,linuxptp,less,nano,"
        + "linux-image-cloud-amd64";

    /// <summary>The hook that makes a system of the packages.</summary>
    internal static string Script => Encoding.UTF8.GetString(Initramfs.Script("system.sh"));

    /// <summary>Installs. Throws <see cref="UserException"/> and <see cref="OperationCanceledException"/>.</summary>
    /// <param name="directory">For temporary files.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="parts">Becomes a tar archive of what the direct boot needs.</param>
    /// <param name="fileSystem">Id of the root file system.</param>
    /// <param name="progress">Is told.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static void Install(string directory, string disk, string parts, Guid fileSystem, BuildProgress progress, CancellationToken cancellation)
    {
        bool isRoot = Environment.IsPrivilegedProcess;
        Dictionary<string, string> variables = new()
        {
            ["UUID"] = fileSystem.ToString(), ["OFFSET"] = $"{DiskLayout.RootOffset}", ["SIZE"] = $"{DiskLayout.RootBytes >> 10}k",
        };
        if (isRoot) variables["TMPDIR"] = Directory.CreateDirectory($"{directory}/system").FullName;
        // In a user namespace root is another user, who may use this file only when everybody may. Its directory is closed to others.
        else File.SetUnixFileMode(disk, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite);
        MmdebstrapProgress listener = new(progress);
        progress.Begin("reading the lists of packages", BuildProgress.Steps);
        try
        {
            HostProgram.Watch(Command(isRoot, disk, parts), variables, listener.Take, cancellation);
        }
        catch (HostProgramException error)
        {
            throw new UserException($"Debian could not be installed: {error.Message.TrimEnd('.')}. Its packages come from the network once; mend what failed and start again.", ExitStatus.BadConfiguration);
        }
    }

    private static List<string> Command(bool isRoot, string disk, string parts)
    {
        List<string> command = ["sh", "-c", "disk=$1 parts=$2; shift 2; exec \"$@\" 8>\"$parts\" 9<>\"$disk\"", "sh", disk, parts, "setpriv", "--pdeathsig", "KILL"];
        if (isRoot) command.AddRange(["unshare", "--mount-proc", "--pid", "--fork", "--kill-child"]);
        command.AddRange(["mmdebstrap", "--verbose", isRoot ? "--mode=root" : "--mode=unshare", "--variant=minbase", $"--include={Packages}"]);
        // A system that is not whole yet need not survive a power loss.
        command.AddRange(["--dpkgopt=force-unsafe-io", "--aptopt=APT::Sandbox::User \"root\"", "--aptopt=Acquire::Languages \"none\""]);
        command.AddRange([$"--essential-hook={Script}", $"--customize-hook={Script}", "bookworm", "/dev/null"]);
        return command;
    }
}
