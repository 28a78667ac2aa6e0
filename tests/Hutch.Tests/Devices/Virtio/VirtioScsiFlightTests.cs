using System;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Commands in flight, and what resets, failures and saved states do with them.</summary>
[Collection(Alone.Name)]
public sealed class VirtioScsiFlightTests : IDisposable
{
    private const int Enospc = 28, Eio = 5;
    private static readonly byte[] ReadOne = [0x28, 0, 0, 0, 0, 0, 0, 0, 1], WriteOne = [0x2a, 0, 0, 0, 0, 0, 0, 0, 1], WriteNext = [0x2a, 0, 0, 0, 0, 8, 0, 0, 1];

    private readonly PendingNode[] _nodes = [new(), new()];
    private readonly TestMachine _machine;
    private IDevice? _device;

    public VirtioScsiFlightTests() => _machine = new TestMachine(disk => _nodes[disk.Path == "a" ? 0 : 1]);

    [Fact]
    public void Many_commands_are_in_flight_on_all_disks_and_complete_in_any_order()
    {
        ScsiDriver driver = Ready();
        uint[] ids = [driver.Begin(0, ReadOne, 512), driver.Begin(1, ReadOne, 512), driver.Begin(0, WriteNext, output: new byte[512])];
        PendingNode.Pending[] first = _nodes[0].WaitFor(2), second = _nodes[1].WaitFor(1);
        Assert.Equal([("read", 0L), ("write", 4096L)], first.Select(static each => (each.Kind, each.Offset)));
        _nodes[0].End(first[1]);
        Assert.Equal(ids[2], driver.Wait().Id);
        _nodes[1].End(second[0]);
        Assert.Equal(ids[1], driver.Wait().Id);
        _nodes[0].End(first[0]);
        (uint id, ScsiResult result) = driver.Wait();
        Assert.Equal((ids[0], (0, 0), 620u), (id, result.Ends, result.Written));
    }

    [Fact]
    public void Each_queue_goes_on_while_another_waits()
    {
        ScsiDriver driver = Ready(queues: 3);
        driver.Begin(0, ReadOne, 512);
        PendingNode.Pending waiting = Assert.Single(_nodes[0].WaitFor(1));
        Assert.Equal((0, 0), driver.Execute(0, [0x00], queue: 2).Ends);
        _nodes[0].End(waiting);
        Assert.Equal((0, 0), driver.Wait().Result.Ends);
    }

    [Theory]
    [InlineData(new byte[] { 0x2a, 8, 0, 0, 0, 0, 0, 0, 1 }, "durable write", 0, 512)]
    [InlineData(new byte[] { 0x2a, 0, 0, 0, 0, 0, 0, 0, 1 }, "write", 0, 512)]
    [InlineData(new byte[] { 0x35 }, "flush", 0, 0)]
    [InlineData(new byte[] { 0x91 }, "flush", 0, 0)]
    [InlineData(new byte[] { 0x1b }, "flush", 0, 0)]
    [InlineData(new byte[] { 0x41, 8, 0, 0, 0, 2, 0, 0, 4 }, "zero", 1024, 2048)]
    public void Commands_become_operations(byte[] command, string kind, long offset, long length)
    {
        ScsiDriver driver = Ready();
        driver.Begin(0, command, output: kind is "flush" ? null : new byte[512]);
        PendingNode.Pending pending = Assert.Single(_nodes[0].WaitFor(1));
        Assert.Equal((kind, offset, length), (pending.Kind, pending.Offset, pending.LengthBytes));
        _nodes[0].End(pending);
        ScsiResult result = driver.Wait().Result;
        Assert.Equal(((0, 0), 0u), (result.Ends, result.Residual));
    }

    [Fact]
    public void Ranges_of_one_command_are_discarded_one_after_the_other()
    {
        ScsiDriver driver = Ready();
        byte[] list = new byte[56];
        (list[3], list[15], list[19], list[31], list[47], list[51]) = (48, 8, 4, 9, 64, 16);        // the one between has no blocks
        driver.Begin(0, [0x42, 0, 0, 0, 0, 0, 0, 0, 56], output: list);
        PendingNode.Pending first = Assert.Single(_nodes[0].WaitFor(1));
        Assert.Equal(("discard", 4096L, 2048L), (first.Kind, first.Offset, first.LengthBytes));
        _nodes[0].End(first);
        PendingNode.Pending second = Assert.Single(_nodes[0].WaitFor(1));
        Assert.Equal((32768L, 8192L), (second.Offset, second.LengthBytes));
        _nodes[0].End(second);
        ScsiResult result = driver.Wait().Result;
        Assert.Equal(((0, 0), 0u), (result.Ends, result.Residual));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    public void A_task_management_function_is_answered_when_what_it_ends_has_ended(uint function)
    {
        ScsiDriver driver = Ready();
        driver.Begin(0, WriteOne, output: new byte[512], tag: 5);
        PendingNode.Pending pending = Assert.Single(_nodes[0].WaitFor(1));
        driver.BeginControl(ScsiDriver.Task(function, 0, tag: 5), 1);
        Assert.False(driver.Virtio.TryTakeUsed(0, out _, out _));
        _nodes[0].End(pending);
        Assert.Equal(0, driver.WaitControl(1)[0]);
        Assert.Equal((0, 0), driver.Wait().Result.Ends);
        Assert.Equal(function == 5 ? (6, 0x2903) : (0, 0), driver.Execute(0, [0x00]).Sense);
    }

    [Fact]
    public async Task A_stop_and_a_reset_wait_for_what_is_in_flight()
    {
        ScsiDriver driver = Ready();
        driver.Begin(0, WriteOne, output: new byte[512]);
        _ = _nodes[0].WaitFor(1);
        Task stop = Task.Run(_device!.Stop);
        await Task.Yield();
        Assert.False(stop.IsCompleted);
        _nodes[0].EndAll();
        await stop.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((0, 0), driver.Wait().Result.Ends);
        _device.Start();

        driver.Begin(0, WriteOne, output: new byte[512]);
        _ = _nodes[0].WaitFor(1);
        Task reset = Task.Run(() => _machine.Store(driver.Virtio.Common + 0x14, 0, 1));
        await Task.Yield();
        Assert.False(reset.IsCompleted);
        _nodes[0].EndAll();
        await reset.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, driver.Virtio.Status);
    }

    [Fact]
    public void A_failure_is_the_guests_sense_and_the_operators_message()
    {
        ScsiDriver driver = Ready();
        driver.Begin(1, ReadOne, 512);
        _nodes[1].End(Assert.Single(_nodes[1].WaitFor(1)), Eio);
        ScsiResult read = driver.Wait().Result;
        Assert.Equal(((0, 2), (3, 0x1100), 512u, 108u), (read.Ends, read.Sense, read.Residual, read.Written));
        driver.Begin(1, WriteOne, output: new byte[512]);
        _nodes[1].End(Assert.Single(_nodes[1].WaitFor(1)), Eio);
        Assert.Equal((3, 0x0c00), driver.Wait().Result.Sense);
        Assert.Equal(["The disk sdb cannot be read: No luck; the guest gets an I/O error.", "The disk sdb cannot be written: No luck; the guest gets an I/O error. (2 failures so far)"], _machine.Platform.Failures.Select(static each => each.Sentence));
    }

    [Fact]
    public void A_full_disk_may_be_reported_as_such_and_a_failure_be_ignored()
    {
        ScsiDriver driver = Ready(onRead: StorageErrorPolicy.Ignore, onWrite: StorageErrorPolicy.Report);
        _nodes[0].FailWith = Enospc;
        Assert.Equal((7, 0x2707), driver.Execute(0, WriteOne, output: new byte[512]).Sense);
        ScsiResult ignored = driver.Execute(0, ReadOne, 512);
        Assert.Equal(((0, 0), 0u), (ignored.Ends, ignored.Residual));
    }

    [Fact]
    public void A_full_disk_holds_its_writes_until_the_machine_goes_on_also_in_a_saved_state()
    {
        ScsiDriver driver = Ready();
        _nodes[0].FailWith = Enospc;
        uint[] ids = [driver.Begin(0, WriteOne, output: new byte[512]), driver.Begin(0, WriteNext, output: new byte[512])];
        Assert.True(_machine.Platform.WaitFor(2));
        _device!.Stop();
        Assert.Equal(["The disk sda cannot be written: No luck", null], _machine.Services.Disks.Select(static disk => disk.Trouble));
        _nodes[0].FailWith = 0;
        _nodes[0].IsDisposing = _nodes[1].IsDisposing = true;
        StateWriter state = new("scsi");
        _device.Exchange(state);
        _device.Reset();
        Assert.Null(_machine.Services.Disks[0].Trouble);

        _device.Exchange(new StateReader("scsi", state.Body.ToArray()));
        Assert.NotNull(_machine.Services.Disks[0].Trouble);
        _device.Start();
        Assert.Equal([0L, 4096L], _nodes[0].WaitFor(2).Select(static each => each.Offset));
        _nodes[0].EndAll();
        Assert.Equal(ids.Order(), ((uint[])[driver.Wait().Id, driver.Wait().Id]).Order());
        // The reset's unit attention was not part of the state.
        Assert.Equal((0, 0), driver.Execute(0, [0x00]).Ends);
    }

    [Fact]
    public void What_a_full_disk_holds_can_be_aborted()
    {
        ScsiDriver driver = Ready();
        _nodes[0].FailWith = Enospc;
        uint aborted = driver.Begin(0, WriteOne, output: new byte[512], tag: 1), other = driver.Begin(0, WriteNext, output: new byte[512], tag: 2);
        Assert.True(_machine.Platform.WaitFor(2));
        Assert.Equal(0, driver.Control(ScsiDriver.Task(0, 0, tag: 1), 1)[0]);
        (uint id, ScsiResult result) = driver.Wait();
        Assert.Equal((aborted, (byte)2), (id, result.Response));
        Assert.Equal(0, driver.Control(ScsiDriver.Task(5, 0), 1)[0]);
        (id, result) = driver.Wait();
        Assert.Equal((other, (byte)4), (id, result.Response));
    }

    [Fact]
    public void Commands_allocate_nothing_in_the_long_run()
    {
        ScsiDriver driver = Ready();
        _nodes[0].IsPrompt = true;
        byte[] data = new byte[512];
        for (int round = 0; round < 200; round++) Round();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        const int Rounds = 2000;
        for (int round = 0; round < Rounds; round++) Round();
        long each = (GC.GetTotalAllocatedBytes(precise: true) - before) / Rounds;
        // The test's driver allocates: buffers, results, recorded messages. A request object alone would be thousands of bytes more.
        Assert.InRange(each, 0, 3000);

        void Round() => Assert.Equal(0, driver.Execute(0, WriteOne, output: data).Status);
    }

    public void Dispose()
    {
        foreach (PendingNode node in _nodes)
        {
            node.IsDisposing = true;
            node.EndAll();
        }
        _device?.Dispose();
        Assert.All(_nodes, static node => Assert.True(node.IsDisposed));
        _machine.Dispose();
    }

    // With the unit attentions taken.
    private ScsiDriver Ready(int queues = 1, StorageErrorPolicy onRead = StorageErrorPolicy.Report, StorageErrorPolicy onWrite = StorageErrorPolicy.Enospc)
    {
        _device = DeviceFactories.Create(new VirtioScsiConfig("scsi",
        [
            new ScsiDriveConfig("sda", new DiskConfig("a")) { OnReadError = onRead, OnWriteError = onWrite }, new ScsiDriveConfig("sdb", new DiskConfig("b")),
        ], queues), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        ScsiDriver driver = new(_machine, queues);
        for (byte target = 0; target < 2; target++) Assert.Equal((6, 0x2900), driver.Execute(target, [0x00]).Sense);
        return driver;
    }
}
