using System.Collections.Generic;
using System.Globalization;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>create: makes an image.</summary>
internal static class CreateVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "F:b:f:ho:qu", "help:h", "object=", "backing=:b", "backing-format=:F", "format=:f", "options=:o");
        string? list = null, backing = null, backingFormat = null;
        bool isUnsafe = false;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "F": backingFormat = options.Value; break;
                case "b": backing = options.Value; break;
                case "o": list = ImageArguments.Join(list, options.Value); break;
                case "u": isUnsafe = true; break;
                default: common.Take(option, options.Value); break;
            }
        }
        string format = common.Format ?? "raw";
        string? name = options.Operands.Count > 0 ? options.Operands[0] : null;
        if (list is not null && Hutch.Block.Options.OptionList.AsksForHelp(list)) return CreateOptionHelp.Print(tool, format, name is not null);
        if (name is null) throw tool.Usage("Expecting image file name");
        long? size = options.Operands.Count > 1 ? common.Size("image size", options.Operands[1]) : null;
        if (options.Operands.Count > 2) throw tool.Usage($"Unexpected argument: {options.Operands[2]}");
        try
        {
            Create(tool, common, name, format, new CreateRequest(list, size, backing, backingFormat, isUnsafe));
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"{name}: ");
        }
        catch (BlockIoException e)
        {
            tool.Error($"{name}: {e.Message}");
        }
        return 1;
    }

    private static void Create(Tool tool, ImageArguments common, string name, string formatName, CreateRequest request)
    {
        ImageFormat format = ImageFormats.Find(formatName) ?? throw new ImageException($"Unknown file format '{formatName}'");
        if (!format.CanCreate) throw new ImageException($"Format driver '{formatName}' does not support image creation");
        CreateOptionSet options = new(format, withFile: true);
        if (request.List is not null) options.Parse(request.List);
        if (request.SizeBytes is long size)
        {
            if (options.Get("size") is not null) throw new ImageException("The image size must be specified only once");
            options.Set("size", size.ToString(CultureInfo.InvariantCulture));
        }
        if (request.Backing is not null) options.SetSupported("backing_file", request.Backing, $"Backing file not supported for file format '{formatName}'");
        if (request.BackingFormat is not null) options.SetSupported("backing_fmt", request.BackingFormat, $"Backing format not supported for file format '{formatName}'");
        CheckBacking(common, name, options, request.IsUnsafe);
        if (options.Get("size") is null) throw new ImageException("Image creation needs a size parameter");
        if (!common.IsQuiet)
        {
            tool.WriteLine($"Formatting '{name}', fmt={formatName} {options.Describe()}");
            tool.Flush();
        }
        Make(common, name, format, options);
    }

    private static void Make(ImageArguments common, string name, ImageFormat format, CreateOptionSet options)
    {
        ulong length = Hutch.Block.Options.OptionText.ReadSize("size", options.Get("size")!);
        if (length > long.MaxValue) throw new ImageException($"The image size is too large for file format '{format.Name}'");
        Blocking.Wait(BlockGraph.CreateAsync(new BlockCreateRequest
        {
            Filename = name,
            Format = format,
            LengthBytes = (long)length,
            Options = options.ToFormatOptions(),
            Secrets = common.Secrets,
        }, default));
    }

    // What an image will show must be there, of a format that is said, unless the user knows better.
    private static void CheckBacking(ImageArguments common, string name, CreateOptionSet options, bool isUnsafe)
    {
        string? backing = options.Get("backing_file"), format = options.Get("backing_fmt");
        if (format is not null && !BlockGraph.HasDriver(format)) throw new ImageException($"Unknown backing file format '{format}'");
        if (backing is null) return;
        if (backing.Length == 0) throw new ImageException("Expected backing file name, got empty string");
        if (backing == name) throw new ImageException("Error: Trying to create an image with the same filename as the backing file");
        if (isUnsafe)
        {
            if (format is null) throw new ImageException("Backing file specified without backing format");
            return;
        }
        string full = BlockGraph.ResolveReference(name, backing) ?? throw new ImageException($"Cannot use relative backing file names for '{name}'");
        ImageNode below;
        try
        {
            below = Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = full, Format = format, ReadOnly = true, Secrets = common.Secrets }, default));
        }
        catch (ImageException e)
        {
            throw new ImageException(e.Message, $"{(e.Hint is null ? "" : e.Hint + "\n")}Could not open backing image.");
        }
        try
        {
            if (format is null) throw new ImageException("Backing file specified without backing format", $"Detected format of {below.Format.Name}.");
            if (options.Get("size") is null) options.Set("size", below.LengthBytes.ToString(CultureInfo.InvariantCulture));
        }
        finally
        {
            Blocking.Wait(below.DisposeAsync());
        }
    }

    private sealed record CreateRequest(string? List, long? SizeBytes, string? Backing, string? BackingFormat, bool IsUnsafe);
}
