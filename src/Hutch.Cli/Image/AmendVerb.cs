using System;
using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>amend: changes what an image was made with.</summary>
internal static class AmendVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "ho:f:t:pq", "help:h", "object=", "image-opts", "force");
        string? list = null;
        bool shows = false, isForced = false;
        CacheMode cache = CacheMode.Writeback;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "o": list = ImageArguments.Join(list, options.Value); break;
                case "t": cache = ImageArguments.CacheOf(options.Value); break;
                case "p": shows = true; break;
                case "force": isForced = true; break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (list is null) throw tool.Usage("Must specify options (-o)");
        if (common.IsQuiet) shows = false;
        string? name = options.Operands.Count == 1 ? options.Operands[0] : null;
        if (common.Format is not null && OptionList.AsksForHelp(list)) return PrintOptions(tool, common.Format);
        if (name is null) throw tool.Usage("Expecting one image file name");
        ImageNode? image = common.Open(name, common.Request(name, readOnly: false) with { Cache = cache });
        if (image is null) return 1;
        try
        {
            if (OptionList.AsksForHelp(list)) return PrintOptions(tool, image.Format.Name);
            return Amend(tool, image, list, isForced, shows);
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static int Amend(Tool tool, ImageNode image, string list, bool isForced, bool shows)
    {
        if (image is not IImageAmend amend)
        {
            tool.Error($"Format driver '{image.Format.Name}' does not support option amendment");
            return 1;
        }
        try
        {
            Dictionary<string, string> values = Read(image.Format, list);
            using ProgressLine progress = new(tool, shows);
            Blocking.Wait(amend.AmendAsync(values, isForced, progress.Listener, default));
            Blocking.Wait(image.FlushAsync(default));
            progress.Finish();
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e);
        }
        catch (BlockIoException e)
        {
            tool.Error($"Failed to amend image: {ErrorText.Of(e)}");
        }
        return 1;
    }

    private static Dictionary<string, string> Read(ImageFormat format, string list)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach ((string name, string value) in OptionList.Parse(list))
        {
            CreateOption? known = null;
            foreach (CreateOption option in format.AmendOptions)
                if (option.Name == name) known = option;
            if (known is null) throw new ImageException($"Invalid parameter '{name}'", $"This option is only supported for image creation");
            values[name] = known.Type switch
            {
                CreateOptionType.Size => $"{OptionText.ReadSize(name, value)}",
                CreateOptionType.Number => $"{OptionText.ReadNumber(name, value)}",
                CreateOptionType.Switch => OptionText.ReadSwitch(name, value) ? "on" : "off",
                _ => value,
            };
        }
        return values;
    }

    private static int PrintOptions(Tool tool, string formatName)
    {
        if (ImageFormats.Find(formatName) is not ImageFormat format)
        {
            tool.Error($"Unknown file format '{formatName}'");
            return 1;
        }
        if (format.AmendOptions.Count == 0)
        {
            tool.Error($"Format driver '{formatName}' does not support option amendment");
            return 1;
        }
        tool.WriteLine($"Amend options for '{formatName}':");
        CreateOptionHelp.PrintList(tool, format.AmendOptions);
        return 0;
    }
}
