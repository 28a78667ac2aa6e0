using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Xunit;
using Xunit.Abstractions;

namespace Hutch.GuestTests.Installer;

/// <summary>Debian's own installer on an empty disk with nobody at the keyboard, over the user network; then what it installed.</summary>
public sealed class InstallerTests(ITestOutputHelper output) : IDisposable
{
    // The software engine on a busy host needs most of an hour.
    private const int InstallSeconds = 3 * 3600, BootSeconds = 900, StopSeconds = 300;

    // What the text front end says when it waits for somebody.
    private static readonly string[] Waits = ["Prompt: '?' for help>", "[Press enter to continue]"];

    private const string Append = "priority=critical console=ttyS0 TERM=dumb DEBIAN_FRONTEND=text --- console=ttyS0", Disk = "/dev/vda";

    private readonly TemporaryFolder _folder = new();
    private readonly DebianArchive _archive = new();
    private UdebMirror? _mirror;

    public void Dispose()
    {
        _mirror?.Dispose();
        _archive.Dispose();
        _folder.Dispose();
    }

    [InstallTheory]
    [InlineData("trixie")]
    public async Task Its_netboot_kernel_installs_a_system_that_boots(string release)
    {
        (string kernel, string initrd) = await Prepare(release);
        string disk = await EmptyDisk();
        await Install("netboot", release, "--kernel", kernel, "--initrd", initrd, "--append", Append, "--disk", disk);
        await Boot("netboot", release, disk);
    }

    [InstallTheory("grub-mkrescue", "mformat", "xorriso")]
    [InlineData("trixie")]
    public async Task The_same_from_a_disc_installs_a_system_that_boots(string release)
    {
        (string kernel, string initrd) = await Prepare(release);
        string disk = await EmptyDisk(), tree = _folder.File("tree"), disc = _folder.File("installer.iso");
        Directory.CreateDirectory($"{tree}/boot/grub");
        File.Copy(kernel, $"{tree}/linux");
        File.Copy(initrd, $"{tree}/initrd");
        File.WriteAllText($"{tree}/boot/grub/grub.cfg", $"linux /linux {Append}\ninitrd /initrd\nboot\n");
        GrubDisk.Run("grub-mkrescue", "-o", disc, tree);
        await Install("disc", release, "--cdrom", disc, "--disk", disk);
        await Boot("disc", release, disk);
    }

    private async Task<(string Kernel, string Initrd)> Prepare(string release)
    {
        List<ControlParagraph> packages = await _archive.Index($"dists/{release}/main/binary-amd64");
        NetbootImage image = await NetbootImage.Take(_archive, packages, _folder);
        UdebSource udebs = await UdebSource.Make(_archive, release, image, packages, _folder);
        foreach (string line in udebs.Log) output.WriteLine(line);
        _mirror = new(_archive, udebs);
        string initrd = _folder.File("initrd");
        image.WriteInitrd(initrd, Preseed.Of(release, _mirror.Authority, Disk));
        return (image.Kernel, initrd);
    }

    private async Task<string> EmptyDisk()
    {
        string disk = _folder.File("disk.qcow2");
        await Launcher.Done("img", "create", "-q", "-f", "qcow2", disk, "6G");
        return disk;
    }

    private async Task Install(string kind, string release, params string[] options)
    {
        await using Vm vm = Vm.Start(["--memory", "1G", .. options]);
        string log = LogFile($"install-{kind}-{release}"), mirrorLog = LogFile($"mirror-{kind}-{release}");
        Task<int> end = vm.WaitForExit(InstallSeconds);
        bool ended;
        do
        {
            ended = await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(5))) == end;
            // Written while it runs, for who watches, and in case that the test is stopped.
            await File.WriteAllTextAsync(log, $"{vm.Errors}\n{vm.Console}");
            await File.WriteAllTextAsync(mirrorLog, _mirror!.Log);
            foreach (string wait in Waits) Assert.DoesNotContain(wait, vm.Console, StringComparison.Ordinal);
        }
        while (!ended);
        Assert.Equal(0, await end);
    }

    private async Task Boot(string kind, string release, string disk)
    {
        await using Vm vm = Vm.Start(disk);
        string log = LogFile($"boot-{kind}-{release}");
        try
        {
            await vm.WaitFor($"{Preseed.HostName} login: ", BootSeconds);
            vm.Send("root\n");
            await vm.WaitFor("Password: ", StopSeconds);
            vm.Send($"{Preseed.Password}\n");
            await vm.WaitFor("root@", StopSeconds);
            // The quotes keep the marks out of the echo of what is typed.
            vm.Send(". /etc/os-release; echo '@'$VERSION_CODENAME@; findmnt -no SOURCE,FSTYPE /; grep -o BOOT_IMAGE /proc/cmdline; dpkg --audit; echo '@@'\n");
            await vm.WaitFor($"@{release}@\r\n", StopSeconds);
            Assert.Equal($"{Disk}1 ext4 BOOT_IMAGE", string.Join(' ', (await vm.WaitFor("@@\r\n", StopSeconds)).Split((char[])['\r', '\n', ' '], StringSplitOptions.RemoveEmptyEntries)));
            vm.Send("poweroff\n");
            Assert.Equal(0, await vm.WaitForExit(StopSeconds));
        }
        finally
        {
            await File.WriteAllTextAsync(log, $"{vm.Errors}\n{vm.Console}");
        }
    }

    private string LogFile(string name)
    {
        string file = Path.Combine(Directory.CreateDirectory(Path.Combine(Launcher.Cache, "debian-installer")).FullName, $"{name}.log");
        output.WriteLine($"log: {file}");
        return file;
    }
}

/// <summary>A test that installs a whole Debian: most of an hour on the software engine, so that it runs when it is asked for.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class InstallTheoryAttribute : TheoryAttribute
{
    public InstallTheoryAttribute(params string[] tools)
    {
        Skip = Environment.GetEnvironmentVariable("HUTCH_INSTALL") == "1" ? SlirpTheoryAttribute.Missing ?? new ToolTheoryAttribute(["dpkg-deb", .. tools]).Skip
            : "Installing a whole Debian takes most of an hour; './dev guest install' runs this.";
    }
}
