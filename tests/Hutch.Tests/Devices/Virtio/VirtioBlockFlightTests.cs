using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Requests in flight: many at once, completed in any order, and what stops, resets, saves and failures do with them.</summary>
[Collection(Alone.Name)]
public sealed class VirtioBlockFlightTests : IDisposable
{
    private const ulong Headers = 0x20_0000, Data = 0x40_0000;
    private const ulong AllFeatures = (1UL << 32) | (1UL << 29) | (1UL << 28) | (1UL << 14) | (1UL << 13) | (1UL << 12) | (1UL << 9);
    private const int Enospc = 28, Eio = 5;

    private readonly PendingNode _node = new();
    private readonly TestMachine _machine;
    private IDevice? _device;
    private VirtioDriver? _driver;
    private int _requests;

    public VirtioBlockFlightTests() => _machine = new TestMachine(_ => _node);

    private VirtioDriver Driver => _driver!;

    [Fact]
    public void Many_requests_are_in_flight_and_complete_in_any_order()
    {
        Bring();
        for (int i = 0; i < 5; i++) Submit(0, 0, (ulong)i * 8, 512);
        PendingNode.Pending[] pending = _node.WaitFor(5);
        Assert.Equal([0, 4096, 8192, 12288, 16384], pending.Select(static each => each.Offset));

        foreach (int i in (int[])[3, 0, 4, 2, 1])
        {
            _node.End(pending[i]);
            Assert.Equal(((uint)i * 3, 513u), WaitUsed(0));
        }
    }

    [Fact]
    public void A_flush_passes_a_write_that_is_still_in_flight_and_reports_on_its_own()
    {
        Bring();
        Submit(0, 1, 0, 512);
        Submit(0, 4, 0, 0);
        PendingNode.Pending[] pending = _node.WaitFor(2);
        Assert.Equal(["write", "flush"], pending.Select(static each => each.Kind));
        _node.End(pending[1]);
        Assert.Equal(3u, WaitUsed(0).Id);
        _node.End(pending[0]);
        Assert.Equal(0u, WaitUsed(0).Id);
    }

    [Fact]
    public void Ranges_of_one_request_are_done_one_after_the_other()
    {
        Bring();
        PutRange(Data, 0, 8);
        PutRange(Data + 16, 64, 16);
        Submit(0, 11, 0, 32);
        PendingNode.Pending first = Assert.Single(_node.WaitFor(1));
        Assert.Equal(("discard", 0L, 4096L), (first.Kind, first.Offset, first.LengthBytes));
        _node.End(first);
        PendingNode.Pending second = Assert.Single(_node.WaitFor(1));
        Assert.Equal((32768L, 8192L), (second.Offset, second.LengthBytes));
        _node.End(second);
        Assert.Equal(0u, WaitUsed(0).Id);
        Assert.Equal(0, Status(0));
    }

    [Fact]
    public void Each_queue_goes_on_while_another_waits()
    {
        Bring(queues: 4);
        Assert.NotEqual(0UL, Driver.OfferedFeatures() & (1 << 12));
        Assert.Equal(4UL, _machine.Load(Driver.Device + 34, 2));
        for (int queue = 0; queue < 4; queue++) Submit(queue, 0, (ulong)queue, 512);
        PendingNode.Pending[] pending = _node.WaitFor(4);
        PendingNode.Pending third = Assert.Single(pending, static each => each.Offset == 1024);
        _node.End(third);
        Assert.Equal(0u, WaitUsed(2).Id);
        Assert.False(Driver.TryTakeUsed(0, out _, out _));
        _node.EndAll();
        foreach (int queue in (int[])[0, 1, 3]) Assert.Equal(0u, WaitUsed(queue).Id);
    }

    [Fact]
    public async Task A_stop_waits_for_what_is_in_flight_and_gives_it_back()
    {
        Bring();
        for (int i = 0; i < 3; i++) Submit(0, 1, (ulong)i, 512);
        _ = _node.WaitFor(3);
        Task stop = Task.Run(_device!.Stop);
        await Task.Yield();
        Assert.False(stop.IsCompleted);
        _node.EndAll();
        await stop.WaitAsync(TimeSpan.FromSeconds(20));
        for (int i = 0; i < 3; i++) Assert.True(Driver.TryTakeUsed(0, out _, out _));

        // What is offered while it stands is begun when it goes on.
        Submit(0, 0, 0, 512);
        _device.Start();
        _node.End(Assert.Single(_node.WaitFor(1)));
        Assert.Equal(9u, WaitUsed(0).Id);
    }

    [Fact]
    public async Task A_reset_waits_for_what_is_in_flight()
    {
        Bring();
        Submit(0, 1, 0, 512);
        _ = _node.WaitFor(1);
        Task reset = Task.Run(() => _machine.Store(Driver.Common + 0x14, 0, 1));
        await Task.Yield();
        Assert.False(reset.IsCompleted);
        _node.EndAll();
        await reset.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, Driver.Status);

        Bring(queues: 0);
        Submit(0, 0, 0, 512);
        _node.End(Assert.Single(_node.WaitFor(1)));
        Assert.Equal(0u, WaitUsed(0).Id);
    }

    [Fact]
    public void A_failure_is_the_guests_error_and_the_operators_message()
    {
        Bring();
        Submit(0, 0, 0, 512);
        _node.End(Assert.Single(_node.WaitFor(1)), Eio);
        Assert.Equal((0u, 0u), WaitUsed(0));
        Assert.Equal(1, Status(0));
        (string sentence, bool pause) = Assert.Single(_machine.Platform.Failures);
        Assert.Equal("The disk disk0 cannot be read: No luck; the guest gets an I/O error.", sentence);
        Assert.False(pause);
    }

    [Fact]
    public void A_bad_disk_does_not_flood_the_operator()
    {
        Bring();
        _node.FailWith = Eio;
        for (int i = 0; i < 100; i++)
        {
            Submit(0, 1, 0, 512);
            _ = WaitUsed(0);
        }
        Assert.Equal(7, _machine.Platform.Failures.Length);
        Assert.Contains("(64 failures so far)", _machine.Platform.Failures[6].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Ignored_failures_are_successes()
    {
        Bring(onWrite: StorageErrorPolicy.Ignore);
        _node.FailWith = Eio;
        Submit(0, 1, 0, 512);
        Assert.Equal((0u, 1u), WaitUsed(0));
        Assert.Equal(0, Status(0));
    }

    [Fact]
    public void A_full_disk_holds_its_writes_until_the_machine_goes_on()
    {
        Bring();
        _node.FailWith = Enospc;
        Submit(0, 1, 0, 512);
        Submit(0, 1, 8, 512);
        Assert.True(_machine.Platform.WaitFor(2));
        Assert.True(_machine.Platform.Failures[0].Pause);
        _device!.Stop();
        Assert.False(Driver.TryTakeUsed(0, out _, out _));
        Assert.Equal("The disk disk0 cannot be written: No luck", Disk.Trouble);

        _node.FailWith = 0;
        _device.Start();
        Assert.Equal([0L, 4096L], _node.WaitFor(2).Select(static each => each.Offset));
        _node.EndAll();
        Assert.Equal([0u, 3u], ((uint[])[WaitUsed(0).Id, WaitUsed(0).Id]).Order());
        Assert.Equal(0, Status(0));
        _device.Stop();
        Assert.Null(Disk.Trouble);
    }

    [Fact]
    public void A_reset_forgets_what_is_held()
    {
        Bring();
        _node.FailWith = Enospc;
        Submit(0, 1, 0, 512);
        Assert.True(_machine.Platform.WaitFor(1));
        _node.FailWith = 0;
        _machine.Store(Driver.Common + 0x14, 0, 1);
        _device!.Stop();
        Assert.Null(Disk.Trouble);
        _device.Start();
        Bring(queues: 0);
        Submit(0, 0, 64, 512);
        Assert.Equal(32768, Assert.Single(_node.WaitFor(1)).Offset);
        _node.EndAll();
    }

    [Fact]
    public void Held_requests_are_part_of_the_state()
    {
        Bring(queues: 2);
        _node.FailWith = Enospc;
        Submit(1, 1, 16, 512);
        Submit(1, 1, 24, 512);
        Assert.True(_machine.Platform.WaitFor(2));
        _device!.Stop();
        _node.FailWith = 0;
        _node.IsDisposing = true;
        StateWriter state = new("disk0");
        _device.Exchange(state);
        _device.Reset();
        Assert.Null(Disk.Trouble);

        _device.Exchange(new StateReader("disk0", state.Body.ToArray()));
        Assert.NotNull(Disk.Trouble);
        _device.Start();
        Assert.Equal([8192L, 12288L], _node.WaitFor(2).Select(static each => each.Offset));
        _node.EndAll();
        Assert.Equal([0u, 3u], ((uint[])[WaitUsed(1).Id, WaitUsed(1).Id]).Order());
    }

    [Theory]
    [InlineData(16)]                // no such descriptor
    [InlineData(2)]                 // the status byte alone
    public void A_state_with_held_requests_that_cannot_be_is_refused(ushort head)
    {
        Bring();
        _node.FailWith = Enospc;
        Submit(0, 1, 16, 512);
        Assert.True(_machine.Platform.WaitFor(1));
        _device!.Stop();
        _node.FailWith = 0;
        _node.IsDisposing = true;
        StateWriter state = new("disk0");
        _device.Exchange(state);
        byte[] bytes = state.Body.ToArray();
        int at = bytes.AsSpan().IndexOf("held0"u8) + "held0".Length + 5;
        BitConverter.TryWriteBytes(bytes.AsSpan(at), head);

        Assert.Contains("held0", Assert.Throws<StateException>(() => _device.Exchange(new StateReader("disk0", bytes))).Message, StringComparison.Ordinal);
    }

    // virtio 1.2 §5.2.4 (capacity), §4.1.5.4.
    [Fact]
    public void A_disk_that_grows_tells_the_guest()
    {
        Bring();
        Assert.Equal(2048UL, _machine.Load(Driver.Device, 8));
        ulong generation = _machine.Load(Driver.Common + 0x15, 1);
        _device!.Stop();
        Disk.Grow(2 << 20);
        _device.Start();

        Assert.True(_machine.Router.WaitOne());
        Assert.Equal(0x40u, _machine.Router.Messages[^1].Data);
        Assert.NotEqual(generation, _machine.Load(Driver.Common + 0x15, 1));
        Assert.Equal(4096UL, _machine.Load(Driver.Device, 8));
        Submit(0, 0, 4095, 512);
        _node.End(Assert.Single(_node.WaitFor(1)));
        Assert.Equal((0u, 513u), WaitUsed(0));
    }

    [Fact]
    public void A_disk_that_cannot_grow_is_a_sentence()
    {
        Bring();
        _device!.Stop();
        _node.FailWith = Enospc;
        Assert.Equal("The disk disk0 cannot be resized: No room.", Assert.Throws<ConfigException>(() => Disk.Grow(2 << 20)).Message);
        Assert.Equal(2048UL, _machine.Load(Driver.Device, 8));
    }

    [Fact]
    public void Limits_keep_requests_in_the_ring_until_time_has_paid_for_them()
    {
        Bring(operationsPerSecond: 20);
        // A tenth of a second is given in advance: the requests at 0 and 50 ms, and the one that it ends with.
        for (int i = 0; i < 5; i++) Submit(0, 0, (ulong)i, 512);
        Assert.Equal(3, _node.WaitFor(3).Length);
        Assert.True(SpinWait.SpinUntil(() => _machine.Timers.IsArmed, TimeSpan.FromSeconds(20)));
        _machine.Timers.Advance(50_000_000);
        Assert.Equal(4, _node.WaitFor(4).Length);

        // The last one keeps no stop waiting, and comes when the machine goes on.
        _node.EndAll();
        _device!.Stop();
        _device.Start();
        _machine.Timers.Advance(1_000_000_000);
        Assert.Equal(2048, Assert.Single(_node.WaitFor(1)).Offset);
        _node.EndAll();
    }

    [Fact]
    public void Requests_allocate_nothing_in_the_long_run()
    {
        Bring();
        _node.IsPrompt = true;
        // The worker's own thread allocates or not; all threads together are what can be seen of it.
        for (int round = 0; round < 200; round++) Round();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        const int Rounds = 2000;
        for (int round = 0; round < Rounds; round++) Round();
        long each = (GC.GetTotalAllocatedBytes(precise: true) - before) / Rounds;
        // Submitting allocates in the test's driver: arrays of buffers, recorded messages. A request object alone would be thousands of bytes.
        Assert.InRange(each, 0, 1500);

        void Round()
        {
            Submit(0, 1, 8, 512);
            _ = WaitUsed(0);
        }
    }

    public void Dispose()
    {
        _node.IsDisposing = true;
        _node.EndAll();
        _device?.Dispose();
        Assert.Equal(_device is not null, _node.IsDisposed);
        _machine.Dispose();
    }

    private IDisk Disk => Assert.Single(_machine.Services.Disks);

    // Without queues: the driver comes again to the device that is there.
    private void Bring(int queues = 1, StorageErrorPolicy onWrite = StorageErrorPolicy.Enospc, long operationsPerSecond = 0)
    {
        if (queues != 0)
        {
            _device = DeviceFactories.Create(new VirtioBlockConfig("disk0", new DiskConfig("pending") { OperationsPerSecond = operationsPerSecond }, queues) { OnWriteError = onWrite }, _machine.Services);
            _machine.Pci.AssignResources(0, 0);
            _device.Start();
        }
        _requests = 0;
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(Math.Max(1, queues), AllFeatures & (Driver.OfferedFeatures() | (7UL << 28)));
    }

    private void Submit(int queue, uint type, ulong sector, uint length)
    {
        ulong header = Headers + (0x100UL * (uint)(_requests++ % 64));
        _machine.Memory.TryWrite(header, type);
        _machine.Memory.TryWrite(header + 8, sector);
        _machine.Memory.TryWrite<byte>(header + 32, 0xee);
        Driver.Submit(queue, length == 0 ? [(header, 16, false), (header + 32, 1, true)] : [(header, 16, false), (Data, length, type == 0), (header + 32, 1, true)]);
    }

    private byte Status(int request)
    {
        _machine.Memory.TryRead(Headers + (0x100UL * (uint)request) + 32, out byte status);
        return status;
    }

    private (uint Id, uint Written) WaitUsed(int queue)
    {
        uint id, written;
        while (!Driver.TryTakeUsed(queue, out id, out written))
            if (!_machine.Router.WaitOne()) throw new TimeoutException("The device never answered.");
        return (id, written);
    }

    private void PutRange(ulong at, ulong sector, uint sectors)
    {
        _machine.Memory.TryWrite(at, sector);
        _machine.Memory.TryWrite(at + 8, sectors);
        _machine.Memory.TryWrite(at + 12, 0u);
    }
}
