using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Hutch.Block.Formats;
using Hutch.Block.Options;

namespace Hutch.Block.Filters;

/// <summary>Reads the rules of <see cref="BlkdebugNode"/> from a configuration file and from options. Throws <see cref="ImageException"/>.</summary>
internal sealed class BlkdebugRules
{
    /// <summary>The rules, in the order in which they were read.</summary>
    internal List<BlkdebugRule> Rules { get; } = [];

    /// <summary>Reads a file with sections [inject-error] and [set-state] of lines name = "value".</summary>
    internal void ReadFile(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImageException($"Could not read blkdebug config file: {e.Message}", e);
        }
        string? section = null;
        OptionSet options = new();
        foreach (string whole in lines)
        {
            string line = whole.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            if (line[0] == '[')
            {
                AddSection(section, options);
                (section, options) = (line.Trim('[', ']').Trim(), new OptionSet());
                continue;
            }
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || section is null) throw new ImageException($"Could not parse blkdebug config file: '{line}'");
            options.Set(line[..equals].Trim(), line[(equals + 1)..].Trim().Trim('"'));
        }
        AddSection(section, options);
    }

    /// <summary>Reads inject-error.N.* and set-state.N.*.</summary>
    internal void ReadOptions(OptionSet options)
    {
        foreach (string section in (ReadOnlySpan<string>)["inject-error", "set-state"])
        {
            OptionSet list = options.TakeChild(section);
            for (int i = 0; ; i++)
            {
                OptionSet entry = list.TakeChild(i.ToString(CultureInfo.InvariantCulture));
                if (entry.IsEmpty) break;
                AddSection(section, entry);
            }
        }
    }

    private void AddSection(string? section, OptionSet options)
    {
        if (section is null) return;
        string name = options.Take("event") ?? throw new ImageException("Missing event name for rule");
        int state = (int)(options.TakeNumber("state") ?? 0);
        switch (section)
        {
            case "inject-error":
                long? sector = options.Peek("sector") == "-1" ? null : options.TakeNumber("sector");
                Rules.Add(new BlkdebugInjection(name, state, (int)(options.TakeNumber("errno") ?? Graph.BlockIoException.Eio), sector * 512 ?? -1,
                    options.TakeSwitch("once") == true, RequestOf(options.Take("iotype"))));
                break;
            case "set-state":
                Rules.Add(new BlkdebugTransition(name, state, (int)(options.TakeNumber("new_state") ?? 0)));
                break;
            default: throw new ImageException($"There is no group '{section}'");
        }
    }

    private static BlkdebugRequest? RequestOf(string? name) => name switch
    {
        null => null,
        "read" => BlkdebugRequest.Read,
        "write" => BlkdebugRequest.Write,
        "write-zeroes" => BlkdebugRequest.WriteZeroes,
        "discard" => BlkdebugRequest.Discard,
        "flush" => BlkdebugRequest.Flush,
        "block-status" => BlkdebugRequest.BlockStatus,
        _ => throw new ImageException($"Invalid parameter '{name}'"),
    };
}
