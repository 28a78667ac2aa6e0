using System;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class EndTests
{
    [Fact]
    public async Task The_end_of_the_shell_switches_the_machine_off()
    {
        await using Vm vm = await Vm.Boot();
        vm.Send("exit\n");
        Assert.Equal(0, await vm.WaitForExit());
    }

    [Fact]
    public async Task A_reset_under_no_reboot_ends_with_status_0()
    {
        await using Vm vm = await Vm.Boot("--no-reboot");
        vm.Send("reboot\n");
        Assert.Equal(0, await vm.WaitForExit());
    }

    [Theory]
    [InlineData("triple")]
    [InlineData("kbd")]
    [InlineData("pci")]
    [InlineData("acpi")]
    public async Task Every_way_to_reset_restarts_the_machine(string way)
    {
        await using Vm vm = await Vm.Boot("--append", $"reboot={way}");
        vm.Send("reboot\n");
        await vm.WaitFor(Vm.Greeting);
        await vm.WaitFor("~ # ");
        Assert.Equal("1", await vm.Shell("nproc"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task A_panic_resets_when_the_kernel_is_told_so()
    {
        await using Vm vm = await Vm.Boot("--no-reboot", "--append", "panic=-1");
        vm.Send("echo c >/proc/sysrq-trigger\n");
        Assert.Equal(0, await vm.WaitForExit());
        Assert.Contains("Kernel panic", vm.Console, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    [InlineData(21, 43)]
    public async Task Debug_exit_ends_with_the_guests_own_status(byte value, int status)
    {
        using TemporaryFolder folder = new();
        // mov edx, 0xf4; mov eax, value; out dx, eax; hlt; jmp $
        await using Vm vm = Vm.Start("--kernel", Multiboot.Write(folder, [0xba, 0xf4, 0, 0, 0, 0xb8, value, 0, 0, 0, 0xef, 0xf4, 0xeb, 0xfe]), "--device", "debug-exit");
        Assert.Equal(status, await vm.WaitForExit());
    }

    [Fact]
    public async Task A_triple_fault_is_a_reset()
    {
        using TemporaryFolder folder = new();
        // lidt of an empty table; int3
        await using Vm vm = Vm.Start("--no-reboot", "--kernel", Multiboot.Write(folder, [0x6a, 0, 0x6a, 0, 0x0f, 0x01, 0x1c, 0x24, 0xcc]));
        Assert.Equal(0, await vm.WaitForExit());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_guest_of_garbage_ends_or_runs_but_never_breaks_the_machine(int seed)
    {
        using TemporaryFolder folder = new();
        byte[] garbage = new byte[65536];
        new Random(seed).NextBytes(garbage);
        await using Vm vm = Vm.Start("--no-reboot", "--kernel", Multiboot.Write(folder, garbage));
        Task<int> end = vm.WaitForExit(600);
        await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(5)));
        if (end.IsCompleted) Assert.Equal(0, await end);
        else await vm.Kill();
        Assert.DoesNotContain(" at Hutch.", vm.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_power_button_switches_the_tiny_guest_off()
    {
        string name = $"button-{Guid.NewGuid():N}";
        await using Vm vm = await Vm.Boot("--engine", "software", "--name", name);
        // Its drivers are loaded while the shell is up already.
        await vm.Shell("until pidof dd; do sleep 1; done");
        (int status, _, string errors) = await Launcher.Run("stop", name);
        Assert.Equal((0, ""), (status, errors));
        Assert.Equal(0, await vm.WaitForExit());
    }

    [Fact]
    public async Task Control_and_closing_bracket_leaves_and_the_terminal_is_as_before()
    {
        (string before, string after, int status, string screen) = await Pseudoterminal.Run($"{Launcher.Root}/hutch run", Vm.Greeting, "\x1d");
        Assert.Equal(130, status);
        Assert.Equal(before, after);
        // Said while the terminal is in raw mode, which makes no line of a line feed.
        Assert.Matches(@"hutch: Engine: [^\r\n]*\r\n", screen);
    }

    [Fact]
    public async Task A_guest_that_switches_itself_off_leaves_the_terminal_as_before()
    {
        (string before, string after, int status, _) = await Pseudoterminal.Run($"{Launcher.Root}/hutch run", "~ # ", "poweroff\r");
        Assert.Equal(0, status);
        Assert.Equal(before, after);
    }
}
