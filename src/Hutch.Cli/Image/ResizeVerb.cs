using System;
using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>resize: makes an image longer or shorter.</summary>
internal static class ResizeVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        // The size may begin with a minus sign, so that it is taken off before options are read.
        if (arguments.Count < 2) throw tool.Usage("Not enough arguments");
        string size = arguments[^1];
        ImageArguments common = new(tool);
        GetOpt options = new(tool, WithoutLast(arguments), "f:hq", "help:h", "object=", "image-opts", "preallocation=", "shrink");
        bool mayShrink = false;
        Preallocation preallocation = Preallocation.Off;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "preallocation": preallocation = PreallocationOf(options.Value); break;
                case "shrink": mayShrink = true; break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 1) throw tool.Usage("Expecting image file name and size");
        int relative = size.StartsWith('+') ? 1 : size.StartsWith('-') ? -1 : 0;
        long amount;
        try
        {
            amount = checked((long)OptionText.ReadSize("size", relative == 0 ? size : size[1..]));
        }
        catch (ImageException e)
        {
            tool.Error(e);
            return 1;
        }
        catch (OverflowException)
        {
            throw new UsageException("New image size must be positive");
        }
        ImageNode? image = common.Open(options.Operands[0], readOnly: false);
        if (image is null) return 1;
        try
        {
            long wanted = relative == 0 ? amount : checked(image.LengthBytes + (relative * amount));
            return Resize(tool, common, image, wanted, preallocation, mayShrink);
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static int Resize(Tool tool, ImageArguments common, ImageNode image, long wanted, Preallocation preallocation, bool mayShrink)
    {
        if (wanted <= 0)
        {
            tool.Error("New image size must be positive");
            return 1;
        }
        long present = image.LengthBytes;
        if (wanted <= present && preallocation != Preallocation.Off)
        {
            tool.Error("Preallocation can only be used for growing images");
            return 1;
        }
        if (wanted < present && !mayShrink)
        {
            tool.Error("Use the --shrink option to perform a shrink operation.");
            tool.Warn("Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.");
            return 1;
        }
        try
        {
            Blocking.Wait(image.ResizeAsync(RoundUp(wanted), preallocation, default));
            Blocking.Wait(image.FlushAsync(default));
        }
        catch (ImageException e)
        {
            tool.Error(e);
            return 1;
        }
        catch (BlockIoException e)
        {
            tool.Error(e.Message);
            return 1;
        }
        if (!common.IsQuiet) tool.WriteLine("Image resized.");
        return 0;
    }

    private static string[] WithoutLast(IReadOnlyList<string> arguments)
    {
        string[] rest = new string[arguments.Count - 1];
        for (int i = 0; i < rest.Length; i++) rest[i] = arguments[i];
        return rest;
    }

    private static long RoundUp(long bytes) => checked(bytes + 511) & -512;

    /// <summary>Reads a preallocation mode. Throws <see cref="UsageException"/>.</summary>
    internal static Preallocation PreallocationOf(string name) => name switch
    {
        "off" => Preallocation.Off,
        "metadata" => Preallocation.Metadata,
        "falloc" => Preallocation.Falloc,
        "full" => Preallocation.Full,
        _ => throw new UsageException($"Invalid preallocation mode '{name}'"),
    };
}
