using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Tidy;
using Hutch.Vmm.Snapshot;
using Xunit;

namespace Hutch.Tests.Vmm.Snapshot;

public sealed class SnapshotTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-snapshot-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string FilePath => Path.Combine(_folder, "state");

    private SnapshotMachine Build(StateFileReader? state = null, bool firmware = false) =>
        new(firmware ? SnapshotMachine.WithFirmware(_folder) : SnapshotMachine.Everything(_folder), state);

    // Every port that a device has but those that end or reset the machine, and the registers in memory.
    private static void Poke(IVcpuExits exits, Random random, int accesses)
    {
        ushort[] ports = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x40, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64, 0x600, 0x602, 0x620, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3ff, 0x3e8, 0x3ea, 0xe0, 0x2004];
        byte[] data = new byte[4], bar = new byte[4], otherBar = new byte[4];
        exits.ReadMmio(PciWindows.EcamStart + ((ulong)SnapshotMachine.FirstCardSlot << 15) + 0x10, bar);
        exits.ReadMmio(PciWindows.EcamStart + ((ulong)(SnapshotMachine.FirstCardSlot + 1) << 15) + 0x14, otherBar);
        for (int i = 0; i < accesses; i++)
        {
            random.NextBytes(data);
            ushort port = ports[random.Next(ports.Length)];
            if (port == 0x64) data[0] &= 0x7f;
            switch (random.Next(7))
            {
                case 6: exits.WriteMmio(0xfed0_0000 + (ulong)(random.Next(2) == 0 ? random.Next(0x160) & ~3 : 0x10), data); break;
                case 5 when random.Next(2) == 0: exits.WriteMmio((BitConverter.ToUInt32(otherBar) & ~15u) + (ulong)random.Next(252), data.AsSpan(0, 1 << random.Next(3))); break;
                case 5: exits.WriteMmio((BitConverter.ToUInt32(bar) & ~15u) + (ulong)(random.Next(random.Next(2) == 0 ? 0x400 : 0x6000) & ~3), data); break;
                case 0: exits.ReadPort(port, data.AsSpan(0, 1)); break;
                case 1: exits.WriteMmio(0xfec0_0000 + (ulong)(random.Next(2) * 16), data); break;
                case 2: exits.WriteMmio(PciWindows.EcamStart + ((ulong)random.Next(4) << 15) + (ulong)(random.Next(64) * 4), data); break;
                case 3: exits.WriteMmio(PciWindows.LowStart + (ulong)(random.Next(0x8000) & ~3), data); break;
                default: exits.WritePort(port, data.AsSpan(0, 1)); break;
            }
        }
    }

    [Fact]
    public void A_machine_whose_state_is_in_another_program_too_is_not_saved()
    {
        MachineDefinition served = SnapshotMachine.Everything(_folder) with { Devices = [new VhostUserFsConfig("files", "/f", "files")] };
        // Nothing of the machine is looked at.
        Assert.Equal("A part of the state of 'files' is in the program that serves it, which cannot be saved with the machine; run a machine without that device.",
            new SaveCall(FilePath, SaveCall.Quit).Save(null!, served, null!, static () => false));
        MachineDefinition host = served with { Devices = [new VfioPciConfig("card", "0000:01:00.0")] };
        Assert.Equal("A part of the state of 'card' is in a device of this host, which cannot be saved with the machine; run a machine without that device.",
            new SaveCall(FilePath, SaveCall.Quit).Save(null!, host, null!, static () => false));
    }

    [Fact]
    public void A_restored_machine_saves_the_same_bytes_whatever_the_guest_did_to_its_devices()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            byte[] before;
            using (SnapshotMachine machine = Build())
            {
                machine.Execute(exits => Poke(exits, new Random(seed), accesses: 3000));
                before = machine.Save().ToBytes();
                AssertSame(before, machine.Save().ToBytes(), -seed);
                machine.Save(FilePath);
            }
            using StateFileReader state = StateFileReader.Open(FilePath);
            using SnapshotMachine back = Build(state);
            AssertSame(before, back.Save().ToBytes(), seed);
        }
    }

    // A display, a keyboard and a mouse too: the configuration device, the bridges and the controller by ports, flash and registers by memory.
    private static void PokeFirmware(IVcpuExits exits, Random random, int accesses)
    {
        byte[] data = new byte[4];
        for (int i = 0; i < accesses; i++)
        {
            random.NextBytes(data);
            switch (random.Next(8))
            {
                case 5: exits.WritePort((ushort)(0x3b0 + random.Next(0x30)), data.AsSpan(0, 1)); break;
                case 6: exits.WritePort((ushort)(0x1ce + random.Next(2)), [(byte)(data[0] & (random.Next(2) == 0 ? 0x0f : 0xff)), 0]); break;
                case 7 when random.Next(2) == 0: exits.WriteMmio(0xa_0000 + (ulong)random.Next(0x1_fff0), data); break;
                case 7: exits.WritePort(random.Next(3) == 0 ? (ushort)0x64 : (ushort)0x60, [(byte)(data[0] & 0x7f)]); break;
                case 0: exits.WritePort((ushort)(0x510 + random.Next(12)), data.AsSpan(0, random.Next(2) == 0 ? 2 : 4)); break;
                case 1: exits.WriteMmio(0xfffd_c000 + (ulong)random.Next(0x4000), data.AsSpan(0, 1)); break;
                case 2: exits.WriteMmio(PciWindows.EcamStart + (random.Next(3) == 0 ? 0 : 31UL << 15) + ((ulong)(random.Next(2) * 2) << 12) + (ulong)(random.Next(64) * 4), data); break;
                case 3: exits.WriteMmio(0xfe00_0000 + (ulong)random.Next(0x400) / 4 * 4, data); break;
                default: exits.WriteMmio(0xc_0000 + (ulong)random.Next(0x3_ff00), data); break;
            }
            if (i % 64 != 0) continue;
            // The controller stays where its registers are poked.
            exits.WriteMmio(PciWindows.EcamStart + (31UL << 15) + (2UL << 12) + 0x24, [0, 0, 0, 0xfe]);
            exits.WriteMmio(PciWindows.EcamStart + (31UL << 15) + (2UL << 12) + 4, [6, 0]);
        }
    }

    [Fact]
    public void A_restored_machine_with_firmware_saves_the_same_bytes()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            byte[] before;
            using (SnapshotMachine machine = Build(firmware: true))
            {
                machine.Execute(exits => PokeFirmware(exits, new Random(seed), accesses: 3000));
                before = machine.Save().ToBytes();
                machine.Save(FilePath);
            }
            using StateFileReader state = StateFileReader.Open(FilePath);
            using SnapshotMachine back = Build(state, firmware: true);
            AssertSame(before, back.Save().ToBytes(), seed);
        }
    }

    // The IDE channels and bus masters, the USB controller, and the chipset's configuration space by ports.
    private static void PokePc(IVcpuExits exits, Random random, int accesses)
    {
        byte[] data = new byte[4];
        for (int i = 0; i < accesses; i++)
        {
            random.NextBytes(data);
            switch (random.Next(7))
            {
                case 6: exits.WritePort((ushort)(0xc100 + random.Next(20)), data.AsSpan(0, 1)); break;
                case 0: exits.WritePort((ushort)((random.Next(2) == 0 ? 0x1f1 : 0x171) + random.Next(6)), data.AsSpan(0, 1)); break;
                case 1: exits.WritePort(random.Next(2) == 0 ? (ushort)0x1f7 : (ushort)0x177, [random.Next(2) == 0 ? data[0] : (byte)0xec]); break;
                case 2: exits.WritePort(random.Next(2) == 0 ? (ushort)0x1f0 : (ushort)0x170, data.AsSpan(0, 2)); break;
                case 3: exits.WritePort(random.Next(2) == 0 ? (ushort)0x3f6 : (ushort)0x376, [(byte)(random.Next(8) == 0 ? data[0] : 0)]); break;
                case 4: exits.WritePort((ushort)(0xc000 + random.Next(16)), data.AsSpan(0, 1)); break;
                default:
                    exits.WritePort(0xcf8, BitConverter.GetBytes(0x8000_0000u | (uint)(random.Next(3) == 0 ? 0 : 1) << 11 | (uint)random.Next(4) << 8 | (uint)random.Next(64) * 4));
                    exits.WritePort(0xcfc, data);
                    break;
            }
            if (i % 64 != 0) continue;
            exits.WritePort(0xcf8, BitConverter.GetBytes(0x8000_0920u));
            exits.WritePort(0xcfc, BitConverter.GetBytes(0xc000u));
            exits.WritePort(0xcf8, BitConverter.GetBytes(0x8000_0904u));
            exits.WritePort(0xcfc, [5, 0]);
            exits.WritePort(0xcf8, BitConverter.GetBytes(0x8000_0a20u));
            exits.WritePort(0xcfc, BitConverter.GetBytes(0xc100u));
            exits.WritePort(0xcf8, BitConverter.GetBytes(0x8000_0a04u));
            exits.WritePort(0xcfc, [5, 0]);
        }
    }

    [Fact]
    public void A_restored_pc_saves_the_same_bytes()
    {
        for (int seed = 0; seed < 10; seed++)
        {
            byte[] before;
            using (SnapshotMachine machine = new(SnapshotMachine.Pc(_folder)))
            {
                machine.Execute(exits => PokePc(exits, new Random(seed), accesses: 3000));
                before = machine.Save().ToBytes();
                machine.Save(FilePath);
            }
            using StateFileReader state = StateFileReader.Open(FilePath);
            using SnapshotMachine back = new(SnapshotMachine.Pc(_folder), state);
            AssertSame(before, back.Save().ToBytes(), seed);
        }
    }

    private static void AssertSame(byte[] before, byte[] after, int seed)
    {
        if (before.AsSpan().SequenceEqual(after)) return;
        StateSections first = StateSections.Read(before), second = StateSections.Read(after);
        Assert.Equal(first.Names, second.Names);
        foreach (string name in first.Names)
        {
            ReadOnlySpan<byte> old = first.Find(name).Span, now = second.Find(name).Span;
            int same = old.CommonPrefixLength(now);
            Assert.True(same == old.Length && same == now.Length,
                $"Seed {seed}: the section {name} changed at byte {same}, behind \"{Encoding.Latin1.GetString(old[Math.Max(0, same - 40)..Math.Min(same, old.Length)])}\": {Convert.ToHexString(old[same..Math.Min(same + 60, old.Length)])} became {Convert.ToHexString(now[same..Math.Min(same + 60, now.Length)])}.");
        }
    }

    [Fact]
    public void Memory_and_clocks_come_back()
    {
        using (SnapshotMachine machine = Build())
        {
            machine.Execute(static _ => { });
            machine.Machine.Memory.TryWrite(0x123_4567UL, 0x1122_3344_5566_7788UL);
            machine.Machine.Memory.TryWrite((32UL << 20) - 8, 7UL);
            machine.Save(FilePath);
        }
        using StateFileReader state = StateFileReader.Open(FilePath);
        using SnapshotMachine back = Build(state);
        Assert.True(back.Machine.Memory.TryRead(0x123_4567UL, out ulong value) && value == 0x1122_3344_5566_7788UL);
        Assert.True(back.Machine.Memory.TryRead((32UL << 20) - 8, out value) && value == 7);
        Assert.Equal(1000UL, back.Engine.RestoredClock!.TscKhz);
        // Gone with a reset: the file shows through no more.
        back.Machine.Memory.Clear();
        Assert.True(back.Machine.Memory.TryRead(0x123_4567UL, out value) && value == 0);
    }

    [Fact]
    public void Damaged_files_are_a_sentence_and_nothing_else()
    {
        using (SnapshotMachine machine = Build())
        {
            machine.Execute(exits => Poke(exits, new Random(7), accesses: 100));
            machine.Save(FilePath);
        }
        byte[] good = File.ReadAllBytes(FilePath);
        Random random = new(3);
        string bad = Path.Combine(_folder, "bad");
        for (int round = 0; round < 60; round++)
        {
            byte[] bytes = (byte[])good.Clone();
            if (round % 4 == 0) bytes = bytes[..random.Next(bytes.Length)];
            else bytes[round % 4 == 1 ? random.Next(4096) : random.Next(StateFileLayout.HeaderBytes, 200_000)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(bad, bytes);
            try
            {
                using StateFileReader state = StateFileReader.Open(bad);
                using SnapshotMachine machine = Build(state);
            }
            catch (StateException sentence)
            {
                Assert.EndsWith(".", sentence.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_flipped_bit_anywhere_in_memory_is_found()
    {
        using (SnapshotMachine machine = Build())
        {
            machine.Execute(static _ => { });
            machine.Machine.Memory.TryWrite(0x80_0000UL, 1UL);
            machine.Save(FilePath);
        }
        long ram = new FileInfo(FilePath).Length - (32 << 20);
        foreach (long offset in (long[])[0x80_0000, 0x81_0000])
        {
            byte[] bytes = File.ReadAllBytes(FilePath);
            bytes[ram + offset] ^= 0x40;
            string bad = Path.Combine(_folder, $"bad{offset}");
            File.WriteAllBytes(bad, bytes);
            using StateFileReader state = StateFileReader.Open(bad);
            Assert.Contains("its memory is damaged", Assert.Throws<StateException>(() => Build(state)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Sections_with_any_content_restore_or_are_refused()
    {
        byte[] good;
        using (SnapshotMachine machine = Build())
        {
            machine.Execute(exits => Poke(exits, new Random(11), accesses: 500));
            good = machine.Save().ToBytes();
        }
        Random random = new(5);
        using SnapshotMachine target = Build();
        target.Execute(static _ => { });
        for (int round = 0; round < 300; round++)
        {
            // Checksums are made anew, so that the parts see the damage.
            StateSections read = StateSections.Read(good), damaged = new();
            foreach (string name in read.Names)
            {
                byte[] body = read.Find(name).ToArray();
                if (name.StartsWith("device", StringComparison.Ordinal) && body.Length > 0)
                    for (int change = random.Next(3); change > 0; change--) body[random.Next(body.Length)] = (byte)random.Next(256);
                damaged.Add(name, body);
            }
            try
            {
                target.Machine.Restore(damaged);
                target.Execute(exits => Poke(exits, random, accesses: 20));
            }
            catch (StateException)
            {
                // Refused with a sentence.
            }
        }
    }

    [Fact]
    public void A_machine_with_another_disk_is_refused_by_its_name()
    {
        using (SnapshotMachine machine = Build())
        {
            machine.Execute(static _ => { });
            machine.Save(FilePath);
        }
        File.WriteAllBytes(Path.Combine(_folder, "disk"), new byte[2 << 20]);
        using StateFileReader state = StateFileReader.Open(FilePath);
        Assert.Contains("The disk disk0 had 2048 sectors", Assert.Throws<StateException>(() => Build(state)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_save_that_is_given_up_leaves_the_old_file()
    {
        using SnapshotMachine machine = Build();
        machine.Execute(static _ => { });
        File.WriteAllText(FilePath, "old");
        Assert.False(new StateFileWriter(machine.Save(), machine.Machine.Memory).Write(FilePath, static done => done < 8 << 20));
        Assert.Equal("old", File.ReadAllText(FilePath));
        Assert.False(File.Exists(FilePath + ".partial"));
    }

    [Theory]
    [InlineData("/dev/null")]
    [InlineData("/proc")]
    [InlineData("/nowhere/at/all")]
    public void A_target_that_is_no_file_is_refused(string path)
    {
        using SnapshotMachine machine = Build();
        machine.Execute(static _ => { });
        Assert.Contains(path, Assert.Throws<StateException>(() => new StateFileWriter(machine.Save(), machine.Machine.Memory).Write(path, static _ => true)).Message, StringComparison.Ordinal);
    }

    /// <summary>Lines may be added to the file, never taken away: a state that was saved once must be readable. Set HUTCH_UPDATE_GOLDEN=1 to add.</summary>
    [Fact]
    public void The_schema_only_grows()
    {
        List<string> now = [];
        Func<string, MachineDefinition>[] machines = [SnapshotMachine.Everything, SnapshotMachine.WithFirmware, SnapshotMachine.Pc, SnapshotMachine.WithTpm];
        foreach (Func<string, MachineDefinition> definition in machines)
        {
            using SnapshotMachine machine = new(definition(_folder));
            // A command of a pc's drive is under way.
            machine.Execute(static exits => exits.WritePort(0x1f7, [0xec]));
            StateSections sections = machine.Save();
            foreach (string name in sections.Names.Where(static name => name != "definition")) now.AddRange(new StateReader(name, sections.Find(name)).Describe().Except(now));
        }
        string golden = Path.Combine(Repository.Root, "schema", "state.golden");
        if (Environment.GetEnvironmentVariable("HUTCH_UPDATE_GOLDEN") == "1") File.WriteAllLines(golden, now);
        string[] then = File.ReadAllLines(golden);
        Assert.Empty(then.Except(now));
        Assert.Empty(now.Except(then));
    }
}
