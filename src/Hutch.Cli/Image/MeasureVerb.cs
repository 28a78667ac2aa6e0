using System.Collections.Generic;
using System.Globalization;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>measure: how large the file of a new image would be.</summary>
internal static class MeasureVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:l:o:O:U", "help:h", "image-opts", "object=", "output=", "json", "size=", "force-share:U", "untrusted");
        bool isJson = false;
        string target = "raw";
        string? list = null, snapshot = null;
        long? size = null;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "l": snapshot = SnapshotName.Of(options.Value); break;
                case "o": list = ImageArguments.Join(list, options.Value); break;
                case "O": target = options.Value; break;
                case "output": isJson = ImageArguments.IsJson(options.Value); break;
                case "json": isJson = true; break;
                case "size": size = common.Size("image size", options.Value); break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count > 1) throw new UsageException("At most one filename argument is allowed.");
        string? name = options.Operands.Count == 1 ? options.Operands[0] : null;
        if (name is null && (common.ImageOptions || common.Format is not null || snapshot is not null))
            throw new UsageException("--image-opts, -f, and -l can only be used with a filename argument.");
        if (name is null && size is null) throw new UsageException("Either --size N or one filename must be specified.");
        if (name is not null && size is not null) throw new UsageException("--size N cannot be used together with a filename.");
        ImageNode? image = name is null ? null : common.Open(name, readOnly: true);
        if (name is not null && image is null) return 1;
        try
        {
            if (snapshot is not null && image is not null) SnapshotName.Load(image, snapshot);
            ImageMeasure? measure = Measure(tool, image, target, list, size ?? 0, common);
            if (measure is null) return 1;
            Print(tool, measure.Value, isJson);
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e);
        }
        catch (BlockIoException e)
        {
            tool.Error($"Failed to measure: {ErrorText.Of(e)}");
        }
        finally
        {
            if (image is not null) Blocking.Wait(image.DisposeAsync());
        }
        return 1;
    }

    private static ImageMeasure? Measure(Tool tool, ImageNode? image, string target, string? list, long size, ImageArguments common)
    {
        if (ImageFormats.Find(target) is not ImageFormat format)
        {
            tool.Error($"Unknown file format '{target}'");
            return null;
        }
        if (!format.CanCreate)
        {
            tool.Error($"Format driver '{target}' does not support image creation");
            return null;
        }
        CreateOptionSet options = new(format, withFile: true);
        if (list is not null)
        {
            if (OptionList.AsksForHelp(list))
            {
                CreateOptionHelp.Print(tool, target, withFile: true);
                return null;
            }
            options.Parse(list);
        }
        ImageCreateRequest request = new()
        {
            LengthBytes = image?.LengthBytes ?? (options.Get("size") is string given ? (long)OptionText.ReadSize("size", given) : size),
            Options = options.ToFormatOptions(),
            Secrets = common.Secrets,
        };
        return Blocking.Wait(format.MeasureAsync(image, request, default));
    }

    private static void Print(Tool tool, ImageMeasure measure, bool isJson)
    {
        if (isJson)
        {
            List<KeyValuePair<string, object>> members = [new("required", measure.RequiredBytes), new("fully-allocated", measure.FullyAllocatedBytes)];
            if (measure.BitmapBytes is long bytes) members.Add(new("bitmaps", bytes));
            tool.WriteLine(JsonText.Of(members));
            return;
        }
        tool.Write(string.Create(CultureInfo.InvariantCulture, $"required size: {measure.RequiredBytes}\nfully allocated size: {measure.FullyAllocatedBytes}\n"));
        if (measure.BitmapBytes is long bitmaps) tool.Write(string.Create(CultureInfo.InvariantCulture, $"bitmaps size: {bitmaps}\n"));
    }
}
