using System;
using System.IO;
using Hutch.Cli.Guests;

namespace Hutch.Dev.Bench;

/// <summary>A C program of this tool's resources that runs inside a guest: compiled on the host, read by the guest from a disk.</summary>
internal static class GuestProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    /// <summary>Compiles NAME.c into a static program; the file is a whole number of sectors.</summary>
    internal static string Compile(string folder, string name)
    {
        string source = Path.Combine(folder, $"{name}.c"), program = Path.Combine(folder, name);
        using (Stream resource = typeof(GuestProgram).Assembly.GetManifestResourceStream($"{name}.c")!)
        using (FileStream file = File.Create(source)) resource.CopyTo(file);
        HostProgram.Run("gcc", ["-O2", "-static", "-o", program, source], folder);
        using FileStream padded = File.OpenWrite(program);
        padded.SetLength((padded.Length + 511) & -512);
        return program;
    }

    /// <summary>Copies the program from the guest's disk <paramref name="device"/> to /tmp/NAME.</summary>
    internal static void Install(Guest guest, string device, string name)
    {
        guest.Send($"cat {device} >/tmp/{name} && chmod +x /tmp/{name} && echo rea''dy\n");
        if (!guest.WaitFor("ready", Patience)) throw new InvalidOperationException($"{name} cannot be copied into the guest:\n{guest.Transcript}");
    }
}
