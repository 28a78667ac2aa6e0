using System.IO;

namespace Hutch.Dev.Iotests;

/// <summary>The five programs that the tests want, of which two are under test. The others may be stand-ins: these tests only ask whether they are there.</summary>
/// <param name="Img">In the place of qemu-img.</param>
/// <param name="Io">In the place of qemu-io.</param>
/// <param name="Machine">In the place of qemu-system.</param>
/// <param name="Nbd">In the place of qemu-nbd.</param>
/// <param name="Daemon">In the place of qemu-storage-daemon.</param>
internal sealed record TestPrograms(string Img, string Io, string Machine, string Nbd, string Daemon)
{
    private const string MachineStub = """
        #!/bin/bash
        case "$*" in
        *"-machine help"*|*"-M help"*) echo "none  empty machine"; echo "pc  Standard PC (default)";;
        *"format=help"*) echo "Supported formats: raw qcow2 qcow qed luks nbd file null-co blkdebug quorum throttle vdi vhdx vmdk vpc parallels bochs"; echo "Supported read-only formats: ";;
        *) exit 99;;
        esac

        """;

    private const string Stub = "#!/bin/sh\nexit 99\n";

    /// <summary>Debian's own, to see which tests pass on this computer at all.</summary>
    internal static TestPrograms OfQemu(TestTree tree)
    {
        foreach (string program in (string[])["/usr/bin/qemu-img", "/usr/bin/qemu-io"])
            if (!File.Exists(program)) throw new MissingException($"{program} is missing; install the package qemu-utils.");
        return Complete(tree, "/usr/bin/qemu-img", "/usr/bin/qemu-io");
    }

    /// <summary>Ours: what ./hutch builds, or the published program in <paramref name="folder"/>.</summary>
    internal static TestPrograms OfHutch(string root, string? folder, TestTree tree)
    {
        string program;
        if (folder is null)
        {
            // Builds where a source is newer.
            Shell.Must(root, Path.Combine(root, "hutch"), "img", "--version");
            program = Path.Combine(root, "build", "current", "cli", "hutch");
        }
        else program = Path.Combine(Path.GetFullPath(folder), "hutch");
        if (!File.Exists(program)) throw new MissingException($"{program} is not there.");
        string links = Path.Combine(tree.Folder, "programs");
        Directory.CreateDirectory(links);
        return Complete(tree, Link(links, "qemu-img", program), Link(links, "qemu-io", program));
    }

    private static TestPrograms Complete(TestTree tree, string img, string io)
    {
        string stubs = Path.Combine(tree.Folder, "stubs");
        Directory.CreateDirectory(stubs);
        return new TestPrograms(img, io, Script(stubs, "qemu-system", MachineStub), Installed("/usr/bin/qemu-nbd") ?? Script(stubs, "qemu-nbd", Stub),
            Installed("/usr/bin/qemu-storage-daemon") ?? Script(stubs, "qemu-storage-daemon", Stub));
    }

    private static string? Installed(string program) => File.Exists(program) ? program : null;

    private static string Link(string folder, string name, string target)
    {
        string path = Path.Combine(folder, name);
        File.Delete(path);
        File.CreateSymbolicLink(path, target);
        return path;
    }

    private static string Script(string folder, string name, string text)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
