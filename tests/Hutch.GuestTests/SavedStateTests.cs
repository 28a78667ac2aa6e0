using System;
using System.Globalization;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Guests that are paused, saved and restored while they are busy, and must not notice.</summary>
public sealed class SavedStateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"saved-{Guid.NewGuid():N}";

    public void Dispose() => _folder.Dispose();

    private string State => _folder.File("state");

    private static async Task Hutch(params string[] arguments)
    {
        (int status, _, string errors) = await Launcher.Run(arguments);
        Assert.True(status == 0, $"hutch {string.Join(' ', arguments)} ended with status {status}: {errors}");
    }

    private async Task<Vm> Boot(int vcpus, params string[] more)
    {
        Vm vm = await Vm.Boot(["--name", _name, "--engine", "software", "--memory", "128M", "--cpus", $"{vcpus}", .. more]);
        // What a boot says is not the subject.
        await vm.Shell("dmesg -c >/dev/null");
        return vm;
    }

    /// <summary>Saves the machine, which ends it, and goes on with it in a new process.</summary>
    private Task<Vm> Move(Vm vm, params string[] options) => Move(vm, static () => { }, options);

    private async Task<Vm> Move(Vm vm, Action between, params string[] options)
    {
        await Hutch("save", _name, State);
        Assert.Equal(0, await vm.WaitForExit());
        between();
        Vm moved = Vm.Restore(State, options);
        // It answers as soon as it has been built.
        while ((await Launcher.Run("status", _name)).Status != 0) Assert.DoesNotContain("hutch:", moved.Errors, StringComparison.Ordinal);
        return moved;
    }

    /// <summary>A chain of checksums that keeps the guest busy for seconds; its end is in a file.</summary>
    private static async Task Begin(Vm vm, int links) => await vm.Shell(
        $"(i=0; h=start; while [ $i -lt {links} ]; do h=$(echo $h | sha256sum); i=$((i+1)); done; echo $h >/tmp/sum) & true");

    private static async Task<string> Sum(Vm vm) => (await vm.Shell("while [ ! -s /tmp/sum ]; do sleep 1; done; cat /tmp/sum", seconds: 300)).Split(' ')[0];

    private static string Expected(int links)
    {
        string sum = "start";
        for (int i = 0; i < links; i++) sum = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(sum + "\n"))) + " -";
        return sum.Split(' ')[0];
    }

    private static async Task AssertUnharmed(Vm vm)
    {
        string log = await vm.Shell("dmesg");
        foreach (string complaint in (string[])["lockup", "unstable", "BUG", "stall", "Call Trace", "I/O error"])
            Assert.DoesNotContain(complaint, log, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<double> Uptime(Vm vm) => double.Parse((await vm.Shell("cat /proc/uptime")).Split(' ')[0], CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_busy_guest_goes_on_where_it_was_saved(int vcpus)
    {
        Vm vm = await Boot(vcpus);
        try
        {
            await Begin(vm, links: 300);
            for (int move = 0; move < 2; move++)
            {
                double before = await Uptime(vm);
                Vm moved = await Move(vm);
                await vm.DisposeAsync();
                vm = moved;
                Assert.InRange(await Uptime(vm), before, before + 60);
            }
            Assert.Equal(Expected(300), await Sum(vm));
            await AssertUnharmed(vm);
            Assert.Equal(0, await vm.PowerOff());
        }
        finally
        {
            await vm.DisposeAsync();
        }
    }

    [Fact]
    public async Task Twenty_times_saved_is_no_different_from_once()
    {
        Vm vm = await Boot(2);
        try
        {
            await Begin(vm, links: 2000);
            for (int move = 0; move < 20; move++)
            {
                Vm moved = await Move(vm);
                await vm.DisposeAsync();
                vm = moved;
            }
            Assert.Equal(Expected(2000), await Sum(vm));
            await AssertUnharmed(vm);
        }
        finally
        {
            await vm.DisposeAsync();
        }
    }

    [Fact]
    public async Task Two_saves_in_a_row_are_two_states_and_the_machine_goes_on()
    {
        await using Vm vm = await Boot(1);
        await vm.Shell("echo first >/tmp/word");
        await Hutch("save", _name, _folder.File("one"), "--keep-running");
        await vm.Shell("echo second >/tmp/word");
        await Hutch("save", _name, _folder.File("two"), "--keep-running");
        Assert.Equal("second", await vm.Shell("cat /tmp/word"));
        await vm.Kill();
        foreach ((string file, string word) in ((string, string)[])[("one", "first"), ("two", "second")])
            await AssertWord(_folder.File(file), word);
    }

    private static async Task AssertWord(string file, string word)
    {
        await using Vm restored = Vm.Restore(file);
        Assert.Equal(word, await restored.Shell("cat /tmp/word"));
        Assert.Equal(0, await restored.PowerOff());
    }

    [Fact]
    public async Task A_disk_and_a_tpm_go_on_with_what_was_written()
    {
        string disk = _folder.Disk("disk", 64 << 20);
        GuestTpm tpm = new(_folder);
        tpm.Start("first");
        await using Vm vm = await Boot(1, ["--disk", disk, .. tpm.Options]);
        string measured = await tpm.Measure(vm);
        await vm.Shell("(while :; do dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null; done) & echo kept | dd of=/dev/vda conv=fsync 2>/dev/null");
        await using Vm moved = await Move(vm, () => tpm.Start("second"));
        Assert.Equal(measured, await tpm.Read(moved));
        Assert.Equal("kept", await moved.Shell("head -c 4 /dev/vda"));
        await moved.Shell("echo more | dd of=/dev/vda seek=1 conv=fsync 2>/dev/null");
        await AssertUnharmed(moved);
        Assert.Equal("more", Encoding.ASCII.GetString(File.ReadAllBytes(disk)[512..516]));
    }

    [Fact]
    public async Task A_machine_that_is_killed_while_it_is_saved_leaves_a_whole_state()
    {
        await using Vm vm = await Boot(1);
        await vm.Shell("echo old >/tmp/word");
        await Hutch("save", _name, State, "--keep-running");
        await vm.Shell("echo new >/tmp/word");
        Task<(int, string, string)> saving = Launcher.Run("save", _name, State);
        while (!File.Exists(State + ".partial") && !saving.IsCompleted) await Task.Yield();
        await vm.Kill();
        await saving;
        await using Vm restored = Vm.Restore(State);
        Assert.Contains(await restored.Shell("cat /tmp/word"), (string[])["old", "new"]);
    }

    [Fact]
    public async Task No_time_passes_for_a_guest_that_is_paused()
    {
        await using Vm vm = await Boot(1);
        double before = await Uptime(vm);
        await Hutch("pause", _name);
        (_, string status, _) = await Launcher.Run("status", _name, "--json");
        Assert.Contains("\"state\":\"paused\"", status, StringComparison.Ordinal);
        await Task.Delay(5000);
        await Hutch("resume", _name);
        Assert.InRange(await Uptime(vm) - before, 0, 4.5);
        await AssertUnharmed(vm);
    }

    [Fact]
    public async Task A_restored_machine_can_wait_and_be_reset()
    {
        await using Vm vm = await Boot(1);
        await using Vm moved = await Move(vm, "--paused");
        await Hutch("resume", _name);
        Assert.Equal("fine", await moved.Shell("echo fine"));
        await Hutch("reset", _name);
        await moved.WaitFor(Vm.Greeting, seconds: 300);
    }
}
