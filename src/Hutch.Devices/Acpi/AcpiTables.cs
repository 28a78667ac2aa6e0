using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;

namespace Hutch.Devices.Acpi;

/// <summary>
/// Builds all ACPI tables (ACPI 6.5 §5.2) as one image for the BIOS area: RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT, MCFG where there is such a space, HPET where there is one, TPM2 where there is a TPM, SRAT where there are nodes or memory can be plugged in, SLIT where there are nodes, and HMAT where it is known how fast they are. The range must be
/// reserved in the memory map that the guest gets.
/// </summary>
public static class AcpiTables
{
    /// <summary>Where the image goes. Guests search 0xE0000 to 0xFFFFF for the RSDP (§5.2.5.1).</summary>
    public const ulong BaseAddress = 0xE_0000;

    /// <summary>Most bytes that an image may have: up to the F segment, where SMBIOS is.</summary>
    public const int MaximumLengthBytes = 0x1_0000;

    private const int RsdpLengthBytes = 36, FacsLengthBytes = 64, FacsAlignment = 64, TableAlignment = 16;

    /// <summary>Builds the image. Throws <see cref="ConfigException"/> where the machine does not fit into it (above about 1,000 vCPUs).</summary>
    public static AcpiImage Build(AcpiOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Cpus.VcpuCount, 1);
        List<byte> image = [];
        // The RSDP comes first, so its place is known; its content follows when the places of RSDT and XSDT are.
        Place(image, (uint)BaseAddress, new byte[RsdpLengthBytes], TableAlignment);
        (_, _, uint rsdt, uint xsdt) = Lay(image, (uint)BaseAddress, options);
        if (image.Count > MaximumLengthBytes)
            throw new ConfigException($"The ACPI tables for {options.Cpus.VcpuCount} vCPUs do not fit below the F segment; use fewer vCPUs.");
        byte[] bytes = [.. image];
        BuildRsdp(rsdt, xsdt).CopyTo(bytes, 0);
        return new AcpiImage(BaseAddress, bytes, BaseAddress);
    }

    /// <summary>Appends all tables but the RSDP.</summary>
    /// <param name="image">What lies at <paramref name="start"/> so far.</param>
    /// <param name="start">Address of the image's first byte, a multiple of 64.</param>
    /// <param name="options">The machine.</param>
    internal static (uint Fadt, uint? Tpm2, uint Rsdt, uint Xsdt) Lay(List<byte> image, uint start, AcpiOptions options)
    {
        uint facs = Place(image, start, BuildFacs(), FacsAlignment);
        uint dsdt = Place(image, start, Dsdt.Build(options), TableAlignment);
        uint fadt = Place(image, start, Fadt.Build(facs, dsdt, options), TableAlignment);
        uint madt = Place(image, start, Madt.Build(options.Cpus, options.AbsentVcpus), TableAlignment);
        List<uint> tables = [fadt, madt];
        if (options.EcamStart != 0) tables.Add(Place(image, start, BuildMcfg(options.EcamStart), TableAlignment));
        if (options.HasHpet) tables.Add(Place(image, start, BuildHpet(), TableAlignment));
        uint? tpm = options.HasTpm ? Place(image, start, Tpm2.Build(options), TableAlignment) : null;
        if (tpm is uint tpm2) tables.Add(tpm2);
        if (options.PluggableBytes != 0 || !options.NumaNodes.IsEmpty) tables.Add(Place(image, start, Srat.Build(options), TableAlignment));
        if (!options.NumaNodes.IsEmpty) tables.Add(Place(image, start, Slit.Build(options), TableAlignment));
        if (!options.NumaAccesses.IsEmpty) tables.Add(Place(image, start, Hmat.Build(options), TableAlignment));
        AcpiTable rsdt = new("RSDT", 1), xsdt = new("XSDT", 1);
        foreach (uint table in tables)
        {
            rsdt.UInt32(table);
            xsdt.UInt64(table);
        }
        uint root = Place(image, start, rsdt.Finish(), TableAlignment);
        return (fadt, tpm, root, Place(image, start, xsdt.Finish(), TableAlignment));
    }

    private static uint Place(List<byte> image, uint start, byte[] table, int alignment)
    {
        while (image.Count % alignment != 0) image.Add(0);
        uint address = start + (uint)image.Count;
        image.AddRange(table);
        return address;
    }

    /// <summary>Root system description pointer, revision 2 (§5.2.5.3). Kernels read the XSDT; GRUB's <c>halt</c> finds the FADT by the RSDT alone.</summary>
    internal static byte[] BuildRsdp(uint rsdt, ulong xsdt)
    {
        byte[] rsdp = new byte[RsdpLengthBytes];
        Encoding.ASCII.GetBytes("RSD PTR ").CopyTo(rsdp, 0);
        Encoding.ASCII.GetBytes("HUTCH ").CopyTo(rsdp, 9);
        rsdp[15] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(20), RsdpLengthBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(rsdp.AsSpan(24), xsdt);
        rsdp[8] = AcpiTable.Checksum(rsdp.AsSpan(0, 20));
        rsdp[32] = AcpiTable.Checksum(rsdp);
        return rsdp;
    }

    /// <summary>Firmware ACPI control structure (§5.2.10): no header, no checksum; the guest writes to it.</summary>
    private static byte[] BuildFacs()
    {
        byte[] facs = new byte[FacsLengthBytes];
        Encoding.ASCII.GetBytes("FACS").CopyTo(facs, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(facs.AsSpan(4), FacsLengthBytes);
        facs[32] = 2;
        return facs;
    }

    /// <summary>Memory-mapped configuration space (PCI Firmware 3.3 §4.1.2): segment 0, the buses that there can be.</summary>
    private static byte[] BuildMcfg(ulong start) =>
        new AcpiTable("MCFG", 1).Zeroes(8).UInt64(start).UInt16(0).Byte(0).Byte(PciWindows.LastBus).UInt32(0).Finish();

    /// <summary>Event timers (IA-PC HPET 1.0a §3.2.4): one block, in memory, no page of its own promised.</summary>
    private static byte[] BuildHpet() =>
        new AcpiTable("HPET", 1).UInt32(Hpet.Identification).UInt32(0).UInt64(Hpet.BaseAddress).Byte(0).UInt16(Hpet.MinimumTicks).Byte(0).Finish();
}
