using System;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>A disk's part of the JSON of <see cref="MachineWriter"/> and <see cref="MachineReader"/>.</summary>
internal static class DiskJson
{
    // In the order of the enumerations' values.
    private static readonly string[] Caches = [nameof(DiskCache.Writeback), nameof(DiskCache.None), nameof(DiskCache.Writethrough), nameof(DiskCache.DirectSync), nameof(DiskCache.Unsafe)];
    private static readonly string[] Aios = [nameof(DiskAio.Auto), nameof(DiskAio.Threads), nameof(DiskAio.IoUring)];
    private static readonly string[] Detections = [nameof(DetectZeroes.Off), nameof(DetectZeroes.On), nameof(DetectZeroes.Unmap)];
    private static readonly string[] Policies = [nameof(StorageErrorPolicy.Report), nameof(StorageErrorPolicy.Stop), nameof(StorageErrorPolicy.Ignore), nameof(StorageErrorPolicy.Enospc)];

    /// <summary>Writes the properties into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, VirtioBlockConfig block)
    {
        WriteImage(writer, block.Disk);
        writer.WriteNumber("Queues", block.Queues);
        writer.WriteString("Serial", block.Serial);
        WriteBootIndex(writer, block.BootIndex);
        WritePolicies(writer, block.OnReadError, block.OnWriteError);
    }

    /// <summary>Writes a SCSI host's disks and queues into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, VirtioScsiConfig scsi)
    {
        writer.WriteStartArray("Drives");
        foreach (ScsiDriveConfig drive in scsi.Drives)
        {
            writer.WriteStartObject();
            writer.WriteString("Id", drive.Id);
            WriteImage(writer, drive.Disk);
            writer.WriteString("Serial", drive.Serial);
            WriteBootIndex(writer, drive.BootIndex);
            WritePolicies(writer, drive.OnReadError, drive.OnWriteError);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteNumber("Queues", scsi.Queues);
    }

    /// <summary>Reads them. Throws as <see cref="Read"/>.</summary>
    internal static VirtioScsiConfig ReadScsi(string id, JsonElement device)
    {
        JsonElement list = device.GetProperty("Drives");
        ScsiDriveConfig[] drives = new ScsiDriveConfig[list.GetArrayLength()];
        for (int index = 0; index < drives.Length; index++)
        {
            JsonElement drive = list[index];
            drives[index] = new ScsiDriveConfig(MachineReader.Text(drive, "Id"), ReadImage(drive.GetProperty("Disk")), MachineReader.OptionalText(drive, "Serial"))
            {
                BootIndex = MachineReader.OptionalNumber(drive, "BootIndex"),
                OnReadError = ReadPolicy(drive, "OnReadError", StorageErrorPolicy.Report),
                OnWriteError = ReadPolicy(drive, "OnWriteError", StorageErrorPolicy.Enospc),
            };
        }
        return new VirtioScsiConfig(id, ImmutableArray.Create(drives), device.GetProperty("Queues").GetInt32());
    }

    /// <summary>Writes the drives of a controller into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, ImmutableArray<AtaDriveConfig> all)
    {
        writer.WriteStartArray("Drives");
        foreach (AtaDriveConfig drive in all)
        {
            writer.WriteStartObject();
            writer.WriteString("Id", drive.Id);
            if (drive.Disk is not null) WriteImage(writer, drive.Disk);
            writer.WriteBoolean("IsCdRom", drive.IsCdRom);
            writer.WriteString("Serial", drive.Serial);
            WriteBootIndex(writer, drive.BootIndex);
            if (drive.Place is int place) writer.WriteNumber("Place", place);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Reads them. Throws as <see cref="Read"/>.</summary>
    internal static ImmutableArray<AtaDriveConfig> ReadDrives(JsonElement device)
    {
        JsonElement list = device.GetProperty("Drives");
        AtaDriveConfig[] drives = new AtaDriveConfig[list.GetArrayLength()];
        for (int index = 0; index < drives.Length; index++)
        {
            JsonElement drive = list[index];
            drives[index] = new AtaDriveConfig(MachineReader.Text(drive, "Id"), ReadMedium(drive), MachineReader.Flag(drive, "IsCdRom"), MachineReader.OptionalText(drive, "Serial"))
            {
                BootIndex = MachineReader.OptionalNumber(drive, "BootIndex"),
                Place = MachineReader.OptionalNumber(drive, "Place"),
            };
        }
        return ImmutableArray.Create(drives);
    }

    private static DiskConfig? ReadMedium(JsonElement drive)
    {
        if (drive.TryGetProperty("Disk", out JsonElement disk) && disk.ValueKind != JsonValueKind.Null) return ReadImage(disk);
        return MachineReader.Flag(drive, "IsCdRom") ? null : throw new FormatException($"The disk '{MachineReader.Text(drive, "Id")}' has no image.");
    }

    private static void WriteBootIndex(Utf8JsonWriter writer, int? index)
    {
        if (index is int number) writer.WriteNumber("BootIndex", number);
    }

    private static void WritePolicies(Utf8JsonWriter writer, StorageErrorPolicy onRead, StorageErrorPolicy onWrite)
    {
        writer.WriteString("OnReadError", Policies[(int)onRead]);
        writer.WriteString("OnWriteError", Policies[(int)onWrite]);
    }

    private static StorageErrorPolicy ReadPolicy(JsonElement parent, string name, StorageErrorPolicy unsaid) => (StorageErrorPolicy)Choice(parent, name, Policies, (int)unsaid);

    private static void WriteImage(Utf8JsonWriter writer, DiskConfig disk)
    {
        writer.WriteStartObject("Disk");
        writer.WriteString("Path", disk.Path);
        writer.WriteString("Format", disk.Format);
        writer.WriteBoolean("ReadOnly", disk.ReadOnly);
        writer.WriteString("Cache", Caches[(int)disk.Cache]);
        writer.WriteString("Aio", Aios[(int)disk.Aio]);
        writer.WriteBoolean("Discard", disk.Discard);
        writer.WriteString("DetectZeroes", Detections[(int)disk.DetectZeroes]);
        writer.WriteBoolean("Temporary", disk.Temporary);
        writer.WriteBoolean("NoBacking", disk.NoBacking);
        writer.WriteNumber("BytesPerSecond", disk.BytesPerSecond);
        writer.WriteNumber("OperationsPerSecond", disk.OperationsPerSecond);
        writer.WriteEndObject();
    }

    /// <summary>Reads them; a definition that was written before a property was invented has its default. Throws what <see cref="JsonElement"/> throws, and <see cref="FormatException"/>.</summary>
    internal static VirtioBlockConfig Read(string id, JsonElement device)
    {
        int queues = device.TryGetProperty("Queues", out JsonElement count) ? count.GetInt32() : 1;
        return new VirtioBlockConfig(id, ReadImage(device.GetProperty("Disk")), queues, MachineReader.OptionalText(device, "Serial"))
        {
            BootIndex = MachineReader.OptionalNumber(device, "BootIndex"),
            OnReadError = ReadPolicy(device, "OnReadError", StorageErrorPolicy.Report),
            OnWriteError = ReadPolicy(device, "OnWriteError", StorageErrorPolicy.Enospc),
        };
    }

    private static DiskConfig ReadImage(JsonElement disk)
    {
        return new DiskConfig(MachineReader.Text(disk, "Path"), MachineReader.OptionalText(disk, "Format"), MachineReader.Flag(disk, "ReadOnly"))
        {
            Cache = (DiskCache)Choice(disk, "Cache", Caches),
            Aio = (DiskAio)Choice(disk, "Aio", Aios),
            Discard = !disk.TryGetProperty("Discard", out JsonElement discard) || discard.GetBoolean(),
            DetectZeroes = (DetectZeroes)Choice(disk, "DetectZeroes", Detections),
            Temporary = MachineReader.Flag(disk, "Temporary"),
            NoBacking = MachineReader.Flag(disk, "NoBacking"),
            BytesPerSecond = disk.TryGetProperty("BytesPerSecond", out JsonElement bytes) ? bytes.GetInt64() : 0,
            OperationsPerSecond = disk.TryGetProperty("OperationsPerSecond", out JsonElement operations) ? operations.GetInt64() : 0,
        };
    }

    private static int Choice(JsonElement parent, string name, string[] names, int unsaid = 0)
    {
        if (MachineReader.OptionalText(parent, name) is not string text) return unsaid;
        int index = Array.IndexOf(names, text);
        return index >= 0 ? index : throw new FormatException($"'{text}' is no value of {name}.");
    }
}
