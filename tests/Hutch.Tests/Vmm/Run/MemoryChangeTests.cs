using System;
using System.Collections.Generic;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Vmm.Run;
using Xunit;

namespace Hutch.Tests.Vmm.Run;

/// <summary>Which device is told what, when a guest is to have another amount of memory.</summary>
public sealed class MemoryChangeTests
{
    private const ulong MiB = 1 << 20, Boot = 512 * MiB;

    private readonly Told _balloon = new(), _pluggable = new(512 * MiB);

    [Theory]
    [InlineData(512, 0, 0)]
    [InlineData(1024, 0, 512)]
    [InlineData(700, 0, 188)]
    [InlineData(300, 212, 0)]
    public void More_is_plugged_in_and_less_is_given_up(ulong wanted, ulong given, ulong added)
    {
        Set(_balloon, _pluggable, wanted);
        Assert.Equal((given * MiB, added * MiB), (_balloon.Target, _pluggable.Target));
    }

    [Fact]
    public void One_of_them_is_enough_for_its_part()
    {
        Set(_balloon, null, 100);
        Set(null, _pluggable, 600);
        Assert.Equal((412 * MiB, 88 * MiB), (_balloon.Target, _pluggable.Target));
        Set(null, _pluggable, 512);
        Assert.Equal(0UL, _pluggable.Target);
    }

    [Fact]
    public void What_is_missing_is_said_and_nothing_changes()
    {
        Told quiet = new() { HasDriver = false }, quietMemory = new(512 * MiB) { HasDriver = false };
        Refused("--device virtio-balloon, or with --memory SIZE,max=SIZE", null, null, 600);
        Refused("no memory balloon, which could take", null, _pluggable, 500);
        Refused("Start it with --memory 512M,max=600M", _balloon, null, 600);
        Refused("can have 512 MiB more", _balloon, _pluggable, 1025);
        Refused("leave it 32 MiB", _balloon, _pluggable, 31);
        Refused("load virtio_balloon", quiet, _pluggable, 500);
        Refused("load virtio_mem", _balloon, quietMemory, 600);
        // A balloon without a driver has nothing to do with growing.
        Set(quiet, _pluggable, 600);
        Assert.Equal(88 * MiB, _pluggable.Target);
    }

    private static void Set(IBalloon? balloon, IPluggableMemory? pluggable, ulong wanted) =>
        Assert.Empty(MemoryChange.Apply(balloon, pluggable, Boot, new Dictionary<string, string> { ["memory"] = $"{wanted * MiB}" }));

    private void Refused(string sentence, IBalloon? balloon, IPluggableMemory? pluggable, ulong wanted)
    {
        Assert.Contains(sentence, Assert.Throws<ConfigException>(() => Set(balloon, pluggable, wanted)).Message, StringComparison.Ordinal);
        Assert.Equal((null, null), (_balloon.Target, _pluggable.Target));
    }

    private sealed class Told(ulong most = 0) : IBalloon, IPluggableMemory
    {
        public bool HasDriver { get; init; } = true;

        public ulong? Target { get; private set; }

        public void SetTarget(ulong bytes) => Target = bytes;

        BalloonInfo IBalloon.Look() => new(Target ?? 0, 0, [], 0);

        PluggableMemoryInfo IPluggableMemory.Look() => new(Target ?? 0, 0, most);
    }
}
