using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Hutch.Vmm.Build;

namespace Hutch.Tests.Devices.Firmware;

/// <summary>The chipset with firmware of 256 KiB whose bytes tell their place, and a flash chip of 64 KiB below it; a test is the guest.</summary>
internal sealed class PcMachine : IDisposable
{
    internal const int ImageBytes = 256 << 10, FlashBytes = 64 << 10;
    internal const ulong ImageStart = GuestMemory.HighMemoryStart - ImageBytes, FlashStart = ImageStart - FlashBytes;

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-pc-").FullName;
    private readonly IDevice _platform;
    private readonly TimerQueue _timers = new(new MonotonicClock());

    internal PcMachine(params FwCfgEntry[] entries) : this(MachineKind.Q35, entries) { }

    internal PcMachine(MachineKind machine, params FwCfgEntry[] entries)
    {
        byte[] image = new byte[ImageBytes];
        for (int i = 0; i < image.Length; i += 4) BinaryPrimitives.WriteInt32LittleEndian(image.AsSpan(i), i | 1);
        File.WriteAllBytes(ImagePath, image);
        byte[] flash = new byte[FlashBytes];
        flash.AsSpan().Fill(0xff);
        File.WriteAllBytes(FlashPath, flash);
        Services = new MachineServices
        {
            Memory = Memory, Cpus = new CpuTopology(1, 3, 1), Ports = new AddressBus("ports"), Mmio = new AddressBus("mmio"), Interrupts = Router, Timers = _timers, Platform = Platform,
            OpenDisk = Disks.Open, OpenChannel = _ => throw new ConfigException("No channel."),
        };
        _platform = DeviceFactories.Create(new PlatformConfig("platform", machine), Services);
        Firmware = DeviceFactories.Create(new FirmwareConfig("firmware", ImagePath) { VariablesPath = FlashPath, Entries = [.. entries] }, Services);
        Definition = new MachineDefinition
        {
            Name = "pc", MemoryBytes = Memory.LengthBytes, Cpus = new CpuTopology(1, 3, 1), Cpu = CpuModel.Max, Engine = EngineChoice.Software, Boot = null,
            Devices = [new PlatformConfig("platform", machine), new SerialConfig("com1", 1, new CharacterBackend(CharacterBackendKind.None))],
        };
    }

    internal string ImagePath => Path.Combine(_folder, "image");

    internal string FlashPath => Path.Combine(_folder, "flash");

    internal GuestMemory Memory { get; } = GuestMemory.Create(32 << 20);

    internal TestMachine.RecordingRouter Router { get; } = new();

    internal TestMachine.StoragePlatform Platform { get; } = new();

    internal MachineServices Services { get; }

    internal IDevice Chipset => _platform;

    internal IDevice Firmware { get; }

    internal MachineDefinition Definition { get; }

    /// <summary>Tells the firmware of the machine and switches it on.</summary>
    internal void PowerOn()
    {
        Services.Firmware!.Describe(Definition, 1UL << 36, 1UL << 35);
        Services.Firmware.Load();
    }

    internal void WriteConfig(int slot, int function, int register, uint value, int width = 1)
    {
        Out(0xcf8, 0x8000_0000u | (uint)(slot << 11 | function << 8 | (register & 0xfc)), 4);
        Out((ushort)(0xcfc + (register & 3)), value, width);
    }

    internal uint ReadConfig(int slot, int function, int register, int width = 1)
    {
        Out(0xcf8, 0x8000_0000u | (uint)(slot << 11 | function << 8 | (register & 0xfc)), 4);
        return In((ushort)(0xcfc + (register & 3)), width);
    }

    internal void Out(ushort port, uint value, int width)
    {
        Span<byte> data = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        Services.Ports.Write(port, data[..width]);
    }

    internal uint In(ushort port, int width)
    {
        Span<byte> data = stackalloc byte[4];
        data.Clear();
        Services.Ports.Read(port, data[..width]);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    /// <summary>Reads a file of the firmware configuration device by its name; null: there is none.</summary>
    internal byte[]? ReadFile(string name)
    {
        Out(0x510, 0x19, 2);
        byte[] head = Take(4);
        for (int left = BinaryPrimitives.ReadInt32BigEndian(head); left > 0; left--)
        {
            byte[] entry = Take(64);
            if (Encoding.ASCII.GetString(entry, 8, 56).TrimEnd('\0') != name) continue;
            Out(0x510, BinaryPrimitives.ReadUInt16BigEndian(entry.AsSpan(4)), 2);
            return Take(BinaryPrimitives.ReadInt32BigEndian(entry));
        }
        return null;
    }

    internal byte[] Take(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = (byte)In(0x511, 1);
        return bytes;
    }

    public void Dispose()
    {
        Firmware.Dispose();
        _platform.Dispose();
        Memory.Dispose();
        Router.Dispose();
        _timers.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
