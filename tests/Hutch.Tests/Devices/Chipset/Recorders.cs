using System;
using System.Collections.Generic;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Devices;
using Hutch.Devices.Chipset;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>Keeps what reached the engine.</summary>
internal sealed class RecordingRouter : IInterruptRouter
{
    public List<MsiMessage> Messages { get; } = [];

    public bool ExternalInterrupt { get; private set; }

    public int ExternalRises { get; private set; }

    public void SignalMsi(MsiMessage message)
    {
        // The random-access tests would gather millions.
        if (Messages.Count < 10_000) Messages.Add(message);
    }

    public void SetExternalInterrupt(bool asserted)
    {
        if (asserted && !ExternalInterrupt) ExternalRises++;
        ExternalInterrupt = asserted;
    }
}

/// <summary>One wire that counts its rising edges.</summary>
internal sealed class RecordingWire : IInterruptSink
{
    public bool Level { get; private set; }

    public int Rises { get; private set; }

    public InterruptLine Line => new(this, 0);

    public void SetLine(int input, bool asserted)
    {
        if (asserted && !Level) Rises++;
        Level = asserted;
    }
}

/// <summary>Keeps the levels of numbered inputs.</summary>
internal sealed class RecordingSink : IInterruptSink
{
    public Dictionary<int, bool> Levels { get; } = [];

    public void SetLine(int input, bool asserted) => Levels[input] = asserted;
}

/// <summary>Counts what the guest did to the machine.</summary>
internal sealed class RecordingPlatform : IPlatformEvents
{
    public int PowerOffs { get; private set; }

    public int Resets { get; private set; }

    public int? ExitStatus { get; private set; }

    public void PowerOff() => PowerOffs++;

    public void Reset() => Resets++;

    public void Exit(int status) => ExitStatus = status;

    public void StorageFailed(string sentence, bool pause) { }
}

/// <summary>Drives a bus device with seeded random accesses of every width inside its window.</summary>
internal static class RandomAccesses
{
    public const int Count = 1_000_000;

    public static void Run(IBusDevice device, ulong lengthBytes, int maximumWidth, int seed, Action? between = null)
    {
        Random random = new(seed);
        byte[] data = new byte[8];
        for (int i = 0; i < Count; i++)
        {
            int width = 1 << random.Next(System.Numerics.BitOperations.Log2((uint)maximumWidth) + 1);
            if ((ulong)width > lengthBytes) width = 1;
            ulong offset = (ulong)random.NextInt64((long)lengthBytes - width + 1);
            random.NextBytes(data);
            if (random.Next(2) == 0) _ = device.Read(offset, data.AsSpan(0, width));
            else _ = device.Write(offset, data.AsSpan(0, width));
            if (i % 64 == 0) between?.Invoke();
        }
    }

    public static void Run(IByteRegisters device, int registerCount, int seed, Action? between = null) =>
        Run(new ByteWindow(device, 0), (ulong)registerCount, 4, seed, between);
}
