using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>bitmap: adds, removes and changes the persistent dirty bitmaps of an image.</summary>
internal static class BitmapVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hb:f:F:g:", "help:h", "object=", "image-opts", "add", "granularity=:g", "remove", "clear", "enable", "disable", "merge=",
            "source-file=:b", "source-format=:F");
        List<(string Verb, string Source)> actions = [];
        string? source = null, sourceFormat = null;
        long granularity = 0;
        bool adds = false, merges = false, isGranular = false;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "b": source = options.Value; break;
                case "F": sourceFormat = options.Value; break;
                case "g":
                    granularity = common.Size("granularity", options.Value, 1);
                    isGranular = true;
                    break;
                case "add" or "remove" or "clear" or "enable" or "disable" or "merge":
                    actions.Add((option, options.Value));
                    adds |= option == "add";
                    merges |= option == "merge";
                    break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 2) throw actions.Count == 0
            ? new UsageException("Need at least one of --add, --remove, --clear, --enable, --disable, or --merge")
            : tool.Usage("Expecting filename and bitmap name");
        if (actions.Count == 0) throw new UsageException("Need at least one of --add, --remove, --clear, --enable, --disable, or --merge");
        if (isGranular && !adds) throw new UsageException("granularity only supported with --add");
        if (sourceFormat is not null && source is null) throw new UsageException("-F only supported with -b");
        if (source is not null && !merges) throw new UsageException("Merge bitmap source file only supported with --merge");
        string name = options.Operands[0];
        ImageNode? image = common.Open(name, common.Request(name, readOnly: false));
        if (image is null) return 1;
        ImageNode? other = source is null ? null : common.Open(source, common.Request(source, readOnly: true, sourceFormat, false));
        try
        {
            if (source is not null && other is null) return 1;
            return Act(tool, image, other, options.Operands[1], granularity, actions);
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
            if (other is not null) Blocking.Wait(other.DisposeAsync());
        }
    }

    private static int Act(Tool tool, ImageNode image, ImageNode? other, string bitmap, long granularity, List<(string Verb, string Source)> actions)
    {
        string verb = actions[0].Verb;
        try
        {
            foreach ((string each, string from) in actions)
            {
                verb = each;
                IImageBitmaps bitmaps = Of(image);
                Blocking.Wait(verb switch
                {
                    "add" => bitmaps.AddBitmapAsync(bitmap, granularity, true, default),
                    "remove" => bitmaps.RemoveBitmapAsync(bitmap, default),
                    "clear" => bitmaps.ClearBitmapAsync(bitmap, default),
                    "merge" => bitmaps.MergeBitmapAsync(bitmap, Of(other ?? image), from, default),
                    _ => bitmaps.EnableBitmapAsync(bitmap, verb == "enable", default),
                });
            }
            Blocking.Wait(Of(image).StoreBitmapsAsync(default));
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"Operation {verb} on bitmap {bitmap} failed: ");
        }
        catch (BlockIoException e)
        {
            tool.Error($"Operation {verb} on bitmap {bitmap} failed: {ErrorText.Of(e)}");
        }
        return 1;
    }

    private static IImageBitmaps Of(ImageNode image) =>
        image as IImageBitmaps ?? throw new ImageException($"Cannot store dirty bitmaps in file '{image.Filename}'");
}
