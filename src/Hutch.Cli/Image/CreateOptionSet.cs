using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Block.Formats;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>Options of a new image: those of its format, then those of the file that it is in. Throws <see cref="ImageException"/>.</summary>
internal sealed class CreateOptionSet
{
    private static readonly CreateOption[] FileOptions =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        new("nocow", CreateOptionType.Switch, "Turn off copy-on-write (valid only on btrfs)"),
        new("preallocation", CreateOptionType.Text, "Preallocation mode (allowed values: off, falloc, full)"),
        new("extent_size_hint", CreateOptionType.Size, "Extent size hint for the image file, 0 to disable"),
    ];

    private readonly List<CreateOption> _known;
    private readonly HashSet<string> _ofFormat = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>Makes a set without values.</summary>
    internal CreateOptionSet(ImageFormat format, bool withFile)
    {
        _known = [.. format.CreateOptions];
        foreach (CreateOption option in _known) _ofFormat.Add(option.Name);
        if (!_ofFormat.Contains("size")) _known.Insert(0, FileOptions[0]);
        if (!withFile) return;
        foreach (CreateOption option in FileOptions)
            if (Find(option.Name) is null) _known.Add(option);
    }

    /// <summary>The options that there are, in the order in which they are printed.</summary>
    internal IReadOnlyList<CreateOption> Known => _known;

    /// <summary>Takes a list "a=b,c=d".</summary>
    internal void Parse(string list)
    {
        foreach ((string name, string value) in OptionList.Parse(list)) Set(name, value);
    }

    /// <summary>The value as it was given; null where it was not.</summary>
    internal string? Get(string name) => _values.GetValueOrDefault(name);

    /// <summary>Sets a value, which must be of the option's type.</summary>
    internal void Set(string name, string value)
    {
        CreateOption option = Find(name) ?? throw new ImageException($"Invalid parameter '{name}'");
        _values[name] = option.Type switch
        {
            CreateOptionType.Size => OptionText.ReadSize(name, value).ToString(CultureInfo.InvariantCulture),
            CreateOptionType.Number => OptionText.ReadNumber(name, value).ToString(CultureInfo.InvariantCulture),
            CreateOptionType.Switch => OptionText.ReadSwitch(name, value) ? "on" : "off",
            _ => value,
        };
    }

    /// <summary>Sets a value of an option that not all formats have.</summary>
    internal void SetSupported(string name, string value, string refusal)
    {
        if (Find(name) is null) throw new ImageException(refusal);
        _values[name] = value;
    }

    /// <summary>Gives up a value.</summary>
    internal void Remove(string name) => _values.Remove(name);

    /// <summary>Values and defaults in one line.</summary>
    internal string Describe()
    {
        StringBuilder text = new();
        foreach (CreateOption option in _known)
        {
            string? value = _values.GetValueOrDefault(option.Name) ?? option.Default;
            if (value is null) continue;
            if (text.Length > 0) text.Append(' ');
            text.Append(option.Name).Append('=').Append(value.Replace(",", ",,", StringComparison.Ordinal));
        }
        return text.ToString();
    }

    /// <summary>The values that the format is given.</summary>
    internal Dictionary<string, string> ToFormatOptions()
    {
        Dictionary<string, string> options = new(StringComparer.Ordinal);
        foreach ((string name, string value) in _values)
            if (name != "size" && _ofFormat.Contains(name)) options[name] = value;
        return options;
    }

    private CreateOption? Find(string name)
    {
        foreach (CreateOption option in _known)
            if (option.Name == name) return option;
        return null;
    }
}
