using System;
using System.Buffers;
using System.IO;
using System.Text.Json;
using Hutch.Host.Files;
using Hutch.Host.Trials;
using Hutch.Kvm.Probe;

namespace Hutch.Vmm.Engines;

/// <summary>
/// The probe's verdict of an earlier run, in one file of the user's cache. It holds for one boot of one kernel, one user and one KVM module. Only what was
/// proved by executed instructions is kept: that costs milliseconds, while a missing device or right shows at once and can be mended at any time.
/// </summary>
/// <param name="path">The file, or null: nothing is remembered.</param>
/// <param name="host">What the verdict holds for, beside the module: boot, kernel and user.</param>
internal sealed class RememberedVerdict(string? path, string host)
{
    private const int MostBytes = 1 << 16;

    /// <summary>The file of this user, for this boot.</summary>
    /// <param name="folder">The user's cache, or null.</param>
    internal static RememberedVerdict OfThisUser(string? folder)
    {
        string? boot = KernelFile.Text("/proc/sys/kernel/random/boot_id"), kernel = KernelFile.Text("/proc/sys/kernel/osrelease");
        // Without a boot's name a verdict could outlive its kernel.
        return new RememberedVerdict(folder is null || string.IsNullOrEmpty(boot) ? null : Path.Combine(folder, "kvm-verdict.json"), $"{boot} {kernel} {SystemTrials.UserId}");
    }

    /// <summary>The verdict that holds now, or null. A file that is not whole, not ours or of another boot does not count.</summary>
    internal KvmProbeResult? Find(ProbeSignals signals)
    {
        try
        {
            if (path is null || !File.Exists(path)) return null;
            using FileStream file = File.OpenRead(path);
            byte[] text = new byte[MostBytes];
            int length = file.ReadAtLeast(text, text.Length, throwOnEndOfStream: false);
            using JsonDocument json = JsonDocument.Parse(text.AsMemory(0, length));
            if (json.RootElement.GetProperty("host").GetString() != Key(signals)) return null;
            KvmProbeResult result = ProbeAnswer.Read(json.RootElement, signals);
            return IsProved(result) ? result : null;
        }
        catch (Exception unfit) when (unfit is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException
            or System.Collections.Generic.KeyNotFoundException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Keeps a verdict, by a rename, so that no reader sees half of it. What cannot be written is not kept.</summary>
    internal void Keep(KvmProbeResult result)
    {
        if (path is null || !IsProved(result)) return;
        ArrayBufferWriter<byte> text = new();
        using (Utf8JsonWriter writer = new(text))
        {
            writer.WriteStartObject();
            writer.WriteString("host", Key(result.Signals));
            ProbeAnswer.Write(writer, result);
            writer.WriteEndObject();
        }
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            string partial = $"{path}.{Environment.ProcessId}";
            File.WriteAllBytes(partial, text.WrittenSpan);
            File.Move(partial, path, overwrite: true);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException) { }
    }

    private static bool IsProved(KvmProbeResult result) => result.Verdict is KvmVerdict.Hardware or KvmVerdict.Pvm or KvmVerdict.Incomplete;

    private string Key(ProbeSignals signals) => $"{host} {signals.Module ?? "none"}";
}
