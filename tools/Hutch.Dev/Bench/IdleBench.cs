using System;
using System.Globalization;
using System.IO;
using System.Text.RegularExpressions;
using System.Threading;
using Hutch.Cli.Guests;

namespace Hutch.Dev.Bench;

/// <summary>A Debian that does nothing: what it takes of the host's CPU, and whether its clock is the host's, also after a pause.</summary>
internal sealed partial class IdleBench(string root)
{
    private const int PauseSeconds = 60, SettleSeconds = 60, MostCorrectionSeconds = 10;
    private const double MostShare = 0.02, MostDrift = 1.0;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private string Hutch => Path.Combine(root, "hutch");

    /// <summary>Idles for some minutes; status 1 when a goal is missed.</summary>
    internal int Run(int minutes)
    {
        using ScratchFolder folder = new("hutch-idle");
        string program = GuestProgram.Compile(folder.Path, "clock-answer");
        using Guest guest = Guest.Start(Hutch, ["run", "debian", "--disk", $"{program},format=raw,readonly", "--net", $"user,hostfwd=udp:127.0.0.1:0-:9"]);
        return Measure(guest, minutes);
    }

    private int Measure(Guest guest, int minutes)
    {
        if (!guest.WaitFor(":~#", Patience)) throw new InvalidOperationException($"Debian does not boot:\n{guest.Transcript}");
        string name = Prompt().Match(guest.Transcript).Groups[1].Value;
        GuestClock clock = new(int.Parse(ForwardedPort().Match(guest.Transcript).Groups[1].Value, CultureInfo.InvariantCulture));
        GuestProgram.Install(guest, "/dev/vdb", "clock-answer");
        guest.Send("systemctl is-system-running --wait; (/tmp/clock-answer &) ; echo clo''ck ready\n");
        if (!guest.WaitFor("clock ready", Patience)) throw new InvalidOperationException($"The clock cannot be asked:\n{guest.Transcript}");
        Wait(SettleSeconds);
        (double before, double uncertainty1) = clock.Compare();
        double cpu = guest.CpuSeconds();
        Wait(minutes * 60);
        double share = (guest.CpuSeconds() - cpu) / (minutes * 60);
        (double after, double uncertainty2) = clock.Compare();
        Console.WriteLine($"{minutes} minutes idle: {share:P2} of a core (goal {MostShare:P0}); the clock was {before:F3} ms ahead of the host's (+-{uncertainty1:F3}), then {after:F3} ms (+-{uncertainty2:F3}; goal: {MostDrift:F0} ms more at most)");
        HostProgram.Run(Hutch, ["pause", name], root);
        Wait(PauseSeconds);
        HostProgram.Run(Hutch, ["resume", name], root);
        (double atOnce, _) = clock.Compare();
        int seconds = 0;
        (double later, double uncertainty3) = (atOnce, 0);
        while (Math.Abs(later) > MostDrift && seconds < MostCorrectionSeconds)
        {
            Wait(1);
            seconds++;
            (later, uncertainty3) = clock.Compare();
        }
        Console.WriteLine($"after a pause of {PauseSeconds} s: {atOnce:F3} ms at once, {later:F3} ms {seconds} s later (+-{uncertainty3:F3}; goal: {MostDrift:F0} ms at most within {MostCorrectionSeconds} s)");
        return share <= MostShare && Math.Abs(after - before) <= MostDrift && Math.Abs(later) <= MostDrift ? 0 : 1;
    }

    private static void Wait(int seconds) => Thread.Sleep(TimeSpan.FromSeconds(seconds));

    [GeneratedRegex(@"root@([\w-]+):~#")]
    private static partial Regex Prompt();

    [GeneratedRegex(@"UDP port (\d+) of 127\.0\.0\.1 leads to port 9 of the guest\.")]
    private static partial Regex ForwardedPort();
}
