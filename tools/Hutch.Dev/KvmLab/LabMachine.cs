using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Cli;
using Hutch.Model.Machine;

namespace Hutch.Dev.KvmLab;

/// <summary>The lab's computer: QEMU's software CPU with AMD's SVM and nested paging, on which Debian's own kvm-amd runs.</summary>
/// <param name="qemu">Emulates it.</param>
/// <param name="kernel">What it boots.</param>
/// <param name="folder">Receives the console, the status and the files that the command leaves in <c>/out</c>.</param>
internal sealed class LabMachine(Qemu qemu, LabKernel kernel, string folder)
{
    private const int TailLines = 30;

    /// <summary>What the kernel said.</summary>
    private string Console => $"{folder}/console.log";

    /// <summary>Runs the lab on an image to its end. Returns the status of the command in it.</summary>
    /// <param name="image">Its disk.</param>
    /// <param name="interactive">True when standard input goes into the lab.</param>
    /// <param name="patience">When to give up.</param>
    internal int Run(string image, bool interactive, TimeSpan patience)
    {
        // VMRUN in QEMU loses an interrupt that comes at the same moment, until the next: a periodic tick is a next one, a clock that is set anew each time is not.
        // On a busy host the timer's interrupts come too late for the kernel's check of its wiring, which ends in a panic. With more than one CPU
        // QEMU's SVM now and then leaves the lab's kernel with the guest's segment bases, and guests and lab die, whatever program is on KVM (10.0; 7.2 too).
        ProcessStartInfo start = qemu.Start(
        [
            "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "3072", "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", kernel.Image, "-initrd", kernel.Initrd, "-append", "console=ttyS0 quiet panic=-1 no_timer_check nohz=off highres=off",
            "-drive", $"file={image},format=raw,if=virtio,cache=unsafe", "-serial", $"file:{Console}",
            "-device", "virtio-serial-pci", "-chardev", "stdio,id=terminal,signal=off", "-device", "virtconsole,nr=0,chardev=terminal",
            "-chardev", $"file,id=status,path={folder}/status", "-device", "virtserialport,nr=1,chardev=status",
            "-chardev", $"file,id=out,path={folder}/out.tar", "-device", "virtserialport,nr=2,chardev=out",
        ]);
        start.RedirectStandardInput = !interactive;
        start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        if (!interactive) process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(patience))
        {
            process.Kill();
            throw Broken($"The KVM lab was not done after {patience.TotalSeconds:F0} s.", errors);
        }
        string status = File.Exists($"{folder}/status") ? File.ReadAllText($"{folder}/status") : "";
        if (!int.TryParse(status, NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int code)) throw Broken("The KVM lab ended early.", errors);
        using FileStream tar = File.OpenRead($"{folder}/out.tar");
        System.Formats.Tar.TarFile.ExtractToDirectory(tar, folder, overwriteFiles: true);
        return code;
    }

    private UserException Broken(string what, Task<string> errors)
    {
        // QEMU names each feature of the model that it does not emulate.
        string[] said = [.. errors.GetAwaiter().GetResult().Split('\n').Where(line => line.Length > 0 && !line.Contains("TCG doesn't support", StringComparison.Ordinal))];
        string[] kernelSaid = File.Exists(Console) ? File.ReadAllLines(Console) : [];
        return new UserException($"{what}\n{string.Join('\n', said)}\nThe end of {Console}:\n{string.Join('\n', kernelSaid.TakeLast(TailLines))}", ExitStatus.InternalError);
    }
}
