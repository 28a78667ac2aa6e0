using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Dev.DeviceFuzz;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Devices.Tpm;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Host.Time;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;
using Hutch.Net;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Guest RAM, buses and a PCI bus, with interrupts recorded instead of delivered.</summary>
internal sealed class TestMachine : IDisposable
{
    internal TestMachine(Func<DiskConfig, BlockNode>? openDisk = null, ICharacterChannel? channel = null, ulong pluggableBytes = 0, MachineKind machine = MachineKind.Q35, ILocalStreams? streams = null, ITpm? tpm = null, VfioHost? hostDevices = null)
    {
        Memory = GuestMemory.Create(32 << 20, pluggableBytes, hugePages: false);
        Services = new MachineServices
        {
            Memory = Memory,
            Ports = Ports,
            Mmio = Mmio,
            Interrupts = Router,
            Timers = Timers,
            Platform = Platform,
            OpenDisk = openDisk ?? (_ => throw new ConfigException("No disk.")),
            OpenChannel = _ => channel ?? throw new ConfigException("No channel."),
            OpenNetwork = _ => Network ?? throw new ConfigException("No network."),
            Streams = streams ?? new FakeStreams(),
            OpenTpm = _ => tpm ?? throw new ConfigException("No TPM."),
            HostDevices = hostDevices ?? new VfioHost(new DeviceCalls()),
            Gsi = Gsi,
        };
        Pci = new PciBus(Services, machine);
        Services.Pci = Pci;
    }

    internal GuestMemory Memory { get; }

    internal ushort Memory16(ulong address) => Memory.TryRead(address, out ushort value) ? value : throw new InvalidOperationException("No RAM.");

    internal AddressBus Ports { get; } = new("ports");

    internal AddressBus Mmio { get; } = new("mmio");

    internal RecordingRouter Router { get; } = new();

    internal RecordingSink Gsi { get; } = new();

    internal HandTimers Timers { get; } = new();

    internal StoragePlatform Platform { get; } = new();

    internal INetBackend? Network { get; set; }

    internal MachineServices Services { get; }

    internal PciBus Pci { get; }

    internal uint ReadConfig(int slot, int offset, int width = 4)
    {
        Span<byte> data = stackalloc byte[width];
        Mmio.Read(PciWindows.EcamStart + ((ulong)slot << 15) + (ulong)offset, data);
        return (uint)Little(data);
    }

    internal void WriteConfig(int slot, int offset, uint value, int width = 4)
    {
        Span<byte> data = stackalloc byte[width];
        Put(data, value);
        Mmio.Write(PciWindows.EcamStart + ((ulong)slot << 15) + (ulong)offset, data);
    }

    /// <summary>Reads a function's configuration space by the ports, which every machine has.</summary>
    internal uint ReadPortConfig(int slot, int function, int offset, int width = 4)
    {
        Out(0xcf8, 0x8000_0000u | (uint)(slot << 11 | function << 8 | (offset & 0xfc)), 4);
        return In((ushort)(0xcfc + (offset & 3)), width);
    }

    /// <summary>Writes it.</summary>
    internal void WritePortConfig(int slot, int function, int offset, uint value, int width = 4)
    {
        Out(0xcf8, 0x8000_0000u | (uint)(slot << 11 | function << 8 | (offset & 0xfc)), 4);
        Out((ushort)(0xcfc + (offset & 3)), value, width);
    }

    internal uint In(ushort port, int width)
    {
        Span<byte> data = stackalloc byte[width];
        Ports.Read(port, data);
        return (uint)Little(data);
    }

    internal void Out(ushort port, uint value, int width)
    {
        Span<byte> data = stackalloc byte[width];
        Put(data, value);
        Ports.Write(port, data);
    }

    internal ulong Load(ulong address, int width)
    {
        Span<byte> data = stackalloc byte[width];
        Mmio.Read(address, data);
        return Little(data);
    }

    internal void Store(ulong address, ulong value, int width)
    {
        Span<byte> data = stackalloc byte[width];
        Put(data, value);
        Mmio.Write(address, data);
    }

    public void Dispose()
    {
        Memory.Dispose();
        Router.Dispose();
    }

    private static ulong Little(ReadOnlySpan<byte> data)
    {
        ulong value = 0;
        for (int i = 0; i < data.Length; i++) value |= (ulong)data[i] << (8 * i);
        return value;
    }

    private static void Put(Span<byte> data, ulong value)
    {
        for (int i = 0; i < data.Length; i++) data[i] = (byte)(value >> (8 * i));
    }

    internal sealed class RecordingRouter : IInterruptRouter, IDisposable
    {
        private readonly List<MsiMessage> _messages = [];
        private readonly SemaphoreSlim _arrived = new(0);

        internal MsiMessage[] Messages { get { lock (_messages) return [.. _messages]; } }

        public void SignalMsi(MsiMessage message)
        {
            lock (_messages) _messages.Add(message);
            _arrived.Release();
        }

        /// <summary>Vectors that were made.</summary>
        internal List<HeldVector> Vectors { get; } = [];

        public IMsiVector? CreateVector(EventFd? existing = null)
        {
            Vectors.Add(new HeldVector());
            return Vectors[^1];
        }

        public void SetExternalInterrupt(bool asserted) { }

        public void Dispose() => _arrived.Dispose();

        /// <summary>Waits until one more message arrives. The limit only ends a test that has failed.</summary>
        internal bool WaitOne() => _arrived.Wait(TimeSpan.FromSeconds(20));
    }

    internal sealed class RecordingSink : IInterruptSink
    {
        private readonly Dictionary<int, bool> _levels = [];

        internal bool this[int input] { get { lock (_levels) return _levels.GetValueOrDefault(input); } }

        public void SetLine(int input, bool asserted)
        {
            lock (_levels) _levels[input] = asserted;
        }
    }

    /// <summary>Time that a test moves by hand.</summary>
    internal sealed class HandTimers : ITimerService, IClock
    {
        private readonly Lock _lock = new();
        private readonly List<HandTimer> _timers = [];
        private long _now = 1_000_000_000_000;

        public IClock Clock => this;

        public long MonotonicNanoseconds { get { lock (_lock) return _now; } }

        public DateTimeOffset UtcNow => default;

        internal bool IsArmed => Deadline != long.MaxValue;

        internal long Deadline { get { lock (_lock) return _timers.Select(static timer => timer.Deadline).DefaultIfEmpty(long.MaxValue).Min(); } }

        public IHostTimer CreateTimer(string name, Action expired)
        {
            HandTimer timer = new(this, expired);
            lock (_lock) _timers.Add(timer);
            return timer;
        }

        // What a timer arms when it fires waits for the next move.
        internal void Advance(long nanoseconds)
        {
            List<HandTimer> due;
            lock (_lock)
            {
                _now += nanoseconds;
                due = _timers.FindAll(timer => timer.Deadline <= _now);
                foreach (HandTimer timer in due) timer.Deadline = long.MaxValue;
            }
            foreach (HandTimer timer in due) timer.Expired();
        }

        private sealed class HandTimer(HandTimers time, Action expired) : IHostTimer
        {
            internal long Deadline { get; set; } = long.MaxValue;

            internal Action Expired => expired;

            public void Arm(long deadlineNanoseconds)
            {
                lock (time._lock) Deadline = deadlineNanoseconds;
            }

            public void Disarm() => Arm(long.MaxValue);

            public void Dispose() => Disarm();
        }
    }

    internal sealed class StoragePlatform : IPlatformEvents
    {
        private readonly List<(string Sentence, bool Pause)> _failures = [];

        internal (string Sentence, bool Pause)[] Failures { get { lock (_failures) return [.. _failures]; } }

        private readonly List<(string Sentence, AlarmAction Action)> _alarms = [];

        internal (string Sentence, AlarmAction Action)[] Alarms { get { lock (_alarms) return [.. _alarms]; } }

        public void Alarm(string sentence, AlarmAction action)
        {
            lock (_alarms) _alarms.Add((sentence, action));
        }

        public void StorageFailed(string sentence, bool pause)
        {
            lock (_failures)
            {
                _failures.Add((sentence, pause));
                Monitor.PulseAll(_failures);
            }
        }

        /// <summary>Waits until so many failures were reported.</summary>
        internal bool WaitFor(int count)
        {
            lock (_failures)
            {
                while (_failures.Count < count)
                    if (!Monitor.Wait(_failures, TimeSpan.FromSeconds(20))) return false;
                return true;
            }
        }

        public void PowerOff() { }

        public void Reset() { }

        public void Exit(int status) { }
    }
}
