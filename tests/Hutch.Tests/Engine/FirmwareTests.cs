using System;
using System.Diagnostics;
using System.IO;
using Hutch.Core.Engine;
using Xunit;

namespace Hutch.Tests.Engine;

/// <summary>SeaBIOS and GRUB, 16-bit and 32-bit code that no one of us wrote, run on our chipset.</summary>
public sealed class FirmwareTests
{
    private const string Bios = "/usr/share/seabios/bios.bin", Maker = "/usr/bin/grub-mkimage", Grub = "/usr/lib/grub/i386-pc", Both = $"{Bios}:{Maker}:{Grub}/boot.img";

    [Theory, Software(Needs = Bios), Kvm(Needs = Bios)]
    public void SeaBIOS_comes_to_its_boot_prompt(string engine)
    {
        using FirmwareMachine machine = new(engine, File.ReadAllBytes(Bios));
        VcpuStop stop = machine.Run();
        Assert.True(stop == VcpuStop.Requested, $"{stop}: {machine.Failure}\n{machine.Text}");
        Assert.Contains("SeaBIOS (version", machine.Text, StringComparison.Ordinal);
        Assert.Contains("No bootable device.", machine.Text, StringComparison.Ordinal);
    }

    [Theory, Software(Needs = Both), Kvm(Needs = Both)]
    public void GRUBs_shell_answers_over_the_serial_port(string engine)
    {
        using FirmwareMachine machine = new(engine, File.ReadAllBytes(Bios), ("floppyimg/grub.img", Floppy()));
        bool prompted = false, answered = false;
        VcpuStop stop = machine.Run(() =>
        {
            prompted = machine.Serial.WaitFor("grub> ");
            if (!prompted) return;
            machine.Serial.Type("set word=answers\recho the shell $word\r");
            answered = machine.Serial.WaitFor("the shell answers");
        });
        Assert.True(prompted && answered && stop == VcpuStop.Requested, $"{stop}: {machine.Failure}\n{machine.Text}\n{machine.Serial.Output}");
    }

    // A boot sector, and from the next sector on GRUB with its shell on the serial port: where both look for the rest when nobody has told them otherwise.
    private static byte[] Floppy()
    {
        const int Bytes = 360 << 10, SectorBytes = 512;
        string folder = Directory.CreateTempSubdirectory("hutch-grub").FullName;
        try
        {
            File.WriteAllText($"{folder}/begin", "serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\n");
            string[] arguments = ["-O", "i386-pc", "-d", Grub, "-p", "/boot/grub", "-c", $"{folder}/begin", "-o", $"{folder}/core", "serial", "terminal", "echo", "normal"];
            using Process maker = Process.Start(Maker, arguments);
            maker.WaitForExit();
            Assert.Equal(0, maker.ExitCode);
            byte[] floppy = new byte[Bytes];
            File.ReadAllBytes($"{Grub}/boot.img").CopyTo(floppy, 0);
            File.ReadAllBytes($"{folder}/core").CopyTo(floppy, SectorBytes);
            return floppy;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
