using System;
using System.Collections.Generic;
using System.Globalization;
using Hutch.Block.Formats;

namespace Hutch.Cli.Image;

/// <summary>Lists of options, as -o help prints them.</summary>
internal static class CreateOptionHelp
{
    private const int NameWidth = 24;

    /// <summary>Prints the options of a new image; with those of its file where it is said.</summary>
    internal static int Print(Tool tool, string formatName, bool withFile)
    {
        if (ImageFormats.Find(formatName) is not ImageFormat format)
        {
            tool.Error($"Unknown file format '{formatName}'");
            return 1;
        }
        if (!format.CanCreate)
        {
            tool.Error($"Format driver '{formatName}' does not support image creation");
            return 1;
        }
        tool.WriteLine(withFile ? "Supported options:" : $"Supported {formatName} options:");
        PrintList(tool, new CreateOptionSet(format, withFile).Known);
        if (!withFile) tool.Write("\nThe protocol level may support further options.\nSpecify the target filename to include those options.\n");
        return 0;
    }

    /// <summary>Prints options, sorted by name.</summary>
    internal static void PrintList(Tool tool, IReadOnlyList<CreateOption> options)
    {
        CreateOption[] sorted = [.. options];
        Array.Sort(sorted, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (CreateOption option in sorted)
        {
            string type = option.Type switch
            {
                CreateOptionType.Switch => "bool (on/off)",
                CreateOptionType.Number => "num",
                CreateOptionType.Size => "size",
                _ => "str",
            };
            string name = string.Create(CultureInfo.InvariantCulture, $"  {option.Name}=<{type}>");
            tool.WriteLine(option.Help is null ? name : $"{name.PadRight(NameWidth)} - {option.Help}");
        }
    }
}
