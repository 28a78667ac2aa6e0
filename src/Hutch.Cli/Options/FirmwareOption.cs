using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Host.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The values of <c>--firmware</c>, <c>--boot</c> and <c>--fw-cfg</c>.</summary>
internal static class FirmwareOption
{
    /// <summary>What <c>--firmware</c> looks like, for help and messages.</summary>
    internal const string Form = "seabios|ovmf|FILE[,vars=FILE]";

    /// <summary>What <c>--boot</c> looks like.</summary>
    internal const string BootForm = "order=LETTERS[,menu=on|off][,menu-wait=MILLISECONDS]";

    /// <summary>What <c>--fw-cfg</c> looks like.</summary>
    internal const string EntryForm = "name=opt/NAME,file=FILE|string=TEXT";

    // A guest that has no name has no place for its variables.
    private const string Variables = "vars";

    /// <summary>Reads the firmware. Throws <see cref="UserException"/>.</summary>
    /// <param name="value">The option's text; null: SeaBIOS.</param>
    /// <param name="variables">Where the variables of a guest with a name belong; null: it has none.</param>
    internal static FirmwareConfig Parse(string? value, string? variables)
    {
        List<string> parts = OptionText.Split(value ?? "seabios");
        string? named = null;
        foreach (string part in parts.Skip(1))
        {
            (string key, string? text) = OptionText.KeyValue(part);
            if (key != Variables || string.IsNullOrEmpty(text) || named is not null) throw OptionText.Bad("--firmware", value!, $"write {Form}.");
            named = Path.GetFullPath(text);
        }
        string image;
        string? template = null;
        switch (parts[0])
        {
            case "seabios":
                if (named is not null) throw OptionText.Bad("--firmware", value!, "SeaBIOS keeps no variables; leave vars= out.");
                image = FirmwareFiles.SeaBios ?? throw Missing("SeaBIOS", "seabios", FirmwareFiles.UsualSeaBios);
                break;
            case "ovmf":
                (image, template) = FirmwareFiles.Ovmf ?? throw Missing("OVMF", "ovmf", FirmwareFiles.UsualOvmf);
                break;
            default:
                image = DiskOption.CheckedPath("--firmware", parts[0]);
                break;
        }
        string? store = named ?? (template is null ? null : variables);
        if (store is not null) Copy(template, store, value ?? "");
        return new FirmwareConfig("firmware", image) { VariablesPath = store };
    }

    /// <summary>Reads the boot order and the menu into <paramref name="firmware"/>; returns the letters. Throws <see cref="UserException"/>.</summary>
    internal static string ParseBoot(string? value, ref FirmwareConfig firmware)
    {
        string order = "cdn";
        if (value is null) return order;
        foreach (string part in OptionText.Split(value))
        {
            (string key, string? text) = OptionText.KeyValue(part);
            switch (key)
            {
                case "order" when text is { Length: > 0 } && text.All(static letter => letter is 'c' or 'd' or 'n') && text.Distinct().Count() == text.Length: order = text; break;
                case "menu" when text is "on" or "off": firmware = firmware with { Menu = text == "on" }; break;
                case "menu-wait" when OptionText.TryNumber(text, 0xffff, out uint milliseconds): firmware = firmware with { MenuMilliseconds = (int)milliseconds }; break;
                default: throw OptionText.Bad("--boot", value, $"write {BootForm}; the letters are c for disks, d for CD-ROM drives, n for the network.");
            }
        }
        return order;
    }

    /// <summary>Whether the boot order has the network in it.</summary>
    internal static bool BootsFromNetwork(string? value) =>
        value is not null && OptionText.Split(value).Exists(static part => part.StartsWith("order=", StringComparison.Ordinal) && part["order=".Length..].Contains('n', StringComparison.Ordinal));

    /// <summary>The image by which a BIOS boots from a card. Throws <see cref="UserException"/> where there is none.</summary>
    internal static string FindNetworkRom(NetCardConfig card)
    {
        string name = card switch { E1000Config => "e1000", Rtl8139Config => "rtl8139", _ => "virtio" };
        return FirmwareFiles.NetworkRom(name)
            ?? throw new UserException($"To boot from the network iPXE is needed (there is no {FirmwareFiles.UsualNetworkRom(name)}); install the package 'ipxe-qemu', or name an image with romfile=FILE.", ExitStatus.BadConfiguration);
    }

    /// <summary>Reads one entry. Throws <see cref="UserException"/>.</summary>
    internal static FwCfgEntry ParseEntry(string value)
    {
        string? name = null, file = null, text = null;
        foreach (string part in OptionText.Split(value))
        {
            (string key, string? setting) = OptionText.KeyValue(part);
            switch (key)
            {
                case "name" when setting is not null && name is null: name = setting; break;
                case "file" when setting is not null && file is null: file = DiskOption.CheckedPath("--fw-cfg", setting); break;
                case "string" when setting is not null && text is null: text = setting; break;
                default: throw OptionText.Bad("--fw-cfg", value, $"write {EntryForm}.");
            }
        }
        if (name is null || (file is null) == (text is null)) throw OptionText.Bad("--fw-cfg", value, $"write {EntryForm}.");
        if (!name.StartsWith("opt/", StringComparison.Ordinal) || name.Length > FwCfgEntry.LongestName || name.Any(static letter => letter is <= ' ' or > '~'))
            throw OptionText.Bad("--fw-cfg", value, $"a name begins with opt/ and has up to {FwCfgEntry.LongestName} characters of ASCII.");
        return new FwCfgEntry(name, file, text);
    }

    // The file is complete before it has its name: a second start must not find half of it.
    private static void Copy(string? template, string store, string value)
    {
        if (File.Exists(store)) return;
        if (template is null) throw OptionText.Bad("--firmware", value, $"the variables {store} do not exist; copy the template that belongs to the image there.");
        string part = $"{store}.{Environment.ProcessId}.partial";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(store)!);
            File.Copy(template, part, overwrite: true);
            // The template is everybody's and read-only.
            File.SetUnixFileMode(part, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.Move(part, store, overwrite: false);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            File.Delete(part);
            if (File.Exists(store)) return;
            throw new UserException($"The firmware's variables {store} cannot be made: {refused.Message.TrimEnd('.')}; name another place with --firmware ovmf,vars=FILE.", ExitStatus.BadConfiguration);
        }
    }

    private static UserException Missing(string what, string package, string path) =>
        new($"{what} is not installed (there is no {path}); install the package '{package}', or name an image with --firmware FILE.", ExitStatus.BadConfiguration);
}
