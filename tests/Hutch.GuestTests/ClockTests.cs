using System;
using System.Globalization;
using System.Threading.Tasks;
using Xunit;
using Xunit.Abstractions;

namespace Hutch.GuestTests;

public sealed class ClockTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, 20)]
    [InlineData(2, 60)]
    public async Task The_guests_clock_keeps_the_hosts_time_under_load(int vcpus, int seconds)
    {
        await using Vm vm = await Vm.Boot("--cpus", $"{vcpus}");
        Assert.Contains(await vm.Shell("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), (string[])["kvm-clock", "tsc"]);
        (double before, double uncertainty1) = await Offset(vm);
        await vm.Shell($"for i in $(seq {vcpus}); do timeout {seconds} sh -c 'while :; do :; done' & done 2>/dev/null; wait", seconds: 180);
        (double after, double uncertainty2) = await Offset(vm);
        output.WriteLine($"offset {before:F4} s before (+-{uncertainty1:F4}), {after:F4} s after (+-{uncertainty2:F4})");
        Assert.InRange(Math.Abs(after - before), 0, 0.010 + uncertainty1 + uncertainty2);
        Assert.InRange(Math.Abs(after), 0, 1.0);
    }

    /// <summary>Guest's time less the host's in seconds, and half the time that the best of some questions took.</summary>
    private static async Task<(double Offset, double Uncertainty)> Offset(Vm vm)
    {
        (double Offset, double Uncertainty) best = (0, double.MaxValue);
        for (int i = 0; i < 20; i++)
        {
            double asked = Now();
            string answer = await vm.Shell("adjtimex | awk '/time.tv_/{printf \"%s \", $2}'");
            double answered = Now();
            string[] parts = answer.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            double guest = double.Parse(parts[0], CultureInfo.InvariantCulture) + double.Parse(parts[1], CultureInfo.InvariantCulture) / 1e6;
            double uncertainty = (answered - asked) / 2;
            if (uncertainty < best.Uncertainty) best = (guest - (asked + uncertainty), uncertainty);
        }
        return best;
    }

    private static double Now() => (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
}
