using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using Hutch.Cli.Debian;
using Hutch.Cli.Guests;
using Hutch.Cli.Image;
using Hutch.Host.Files;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using static Hutch.Cli.Commands.MachineSymbols;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch images</c>: what hutch made for machines and keeps, the images of the cache and the disks of machines with a name.</summary>
internal static class ImagesCommand
{
    private const string ImageKind = "image", DiskKind = "disk";

    private static readonly Argument<string> Kept = new("name") { HelpName = "NAME", Description = "The name, as 'hutch images' shows it." };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command remove = new("rm", "Removes an image, which is made again when it is needed, or the disk of a machine with a name, which is lost then.") { Kept };
        remove.SetAction(Remove);
        Command command = new("images", "Lists the images that hutch made, and the disks of machines with a name.") { Json };
        command.Add(remove);
        command.SetAction(List);
        return command;
    }

    private static int List(ParseResult result)
    {
        bool json = result.GetValue(Json);
        DateTimeOffset now = new MonotonicClock().UtcNow;
        if (!json) Row("NAME", "KIND", "SIZE", "AGE", "PATH");
        foreach ((string name, string kind, string path) in All())
        {
            DateTime made = File.GetLastWriteTimeUtc(path);
            long bytes = kind == ImageKind ? Directory.GetFiles(path).Sum(UsedBytes) : UsedBytes(path);
            if (json)
            {
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{{\"name\":\"{JsonEncodedText.Encode(name)}\",\"kind\":\"{kind}\",\"bytes\":{bytes},\"changed\":\"{made:yyyy-MM-ddTHH:mm:ssZ}\",\"path\":\"{JsonEncodedText.Encode(path)}\"}}"));
            }
            else Row(name, kind, HumanSize.Short(bytes), Age(now - made), path);
        }
        return 0;
    }

    private static int Remove(ParseResult result)
    {
        string name = result.GetValue(Kept)!;
        (_, string kind, string path) = All().FirstOrDefault(each => each.Name == name);
        if (path is null) throw new UserException($"There is no image and no disk '{name}'; 'hutch images' lists what there is.", ExitStatus.BadConfiguration);
        try
        {
            if (kind == ImageKind) RemoveImage(name, path);
            else if (MachineDisk.IsInUse(path)) throw new UserException($"The disk of '{name}' is in use; stop the machine first: hutch stop {name}", ExitStatus.BadConfiguration);
            else File.Delete(path);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"'{name}' cannot be removed: {refused.Message}", ExitStatus.BadConfiguration);
        }
        return 0;
    }

    private static void RemoveImage(string name, string path)
    {
        string disk = new DebianImage(path).Disk;
        foreach (string machine in MachineDisk.Names())
            if (MachineDisk.Backing(MachineDisk.PathOf(machine)) == disk)
                throw new UserException($"The disk of '{machine}' lies on the image '{name}'; remove that disk first: hutch images rm {machine}", ExitStatus.BadConfiguration);
        if (File.Exists(disk) && MachineDisk.IsInUse(disk)) throw new UserException($"A machine runs from the image '{name}'; stop it first, 'hutch ps' lists what runs.", ExitStatus.BadConfiguration);
        Cache().Remove(name);
    }

    private static IEnumerable<(string Name, string Kind, string Path)> All()
    {
        foreach (string path in Cache().Entries()) yield return (Path.GetFileName(path), ImageKind, path);
        foreach (string machine in MachineDisk.Names()) yield return (machine, DiskKind, MachineDisk.PathOf(machine));
    }

    private static GuestCache Cache() => new(GuestCache.DefaultRoot(), static text => Messages.Progress(text, json: false));

    // Images have holes.
    private static long UsedBytes(string path)
    {
        using DiskFile file = DiskFile.Open(path, readOnly: true);
        return file.GetAllocatedBytes();
    }

    private static string Age(TimeSpan age) => age.TotalDays >= 2 ? $"{(int)age.TotalDays} days" : age.TotalHours >= 2 ? $"{(int)age.TotalHours} hours" : $"{Math.Max(0, (int)age.TotalMinutes)} min";

    private static void Row(string name, string kind, string size, string age, string path) => Console.Out.WriteLine($"{name,-24} {kind,-5} {size,9} {age,9}  {path}");
}
