using System;
using System.Collections.Generic;
using System.Formats.Tar;
using System.IO;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>
/// Debian packages without root: apt-get with its lists and its cache in a directory of ours. apt verifies what it downloads with the
/// keys of the host, by the sources that the host is set up with.
/// </summary>
/// <param name="directory">An empty directory for lists and packages.</param>
/// <param name="say">Tells the user what goes on.</param>
/// <param name="release">Another release of Debian than the host's, from Debian's own server; of that one nothing counts as installed.</param>
internal sealed class DebianPackages(string directory, Action<string> say, string? release = null)
{
    private readonly string[] _options =
    [
        "-q", $"-oDir::State::Lists={directory}/lists", $"-oDir::Cache={directory}/cache", "-oDebug::NoLocking=1", "-oAPT::Sandbox::User=root",
        "-oAcquire::Languages=none", "-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-oAcquire::http::Timeout=30", "-oAcquire::Retries=2",
        "-oAPT::Update::Error-Mode=any",
        .. release is null ? [] : (string[])[$"-oDir::Etc::sourcelist={directory}/sources.list", "-oDir::Etc::sourceparts=-", $"-oDir::State::status={directory}/status"],
    ];

    /// <summary>Reads the lists of packages that there are.</summary>
    internal void Update()
    {
        Directory.CreateDirectory($"{directory}/lists/partial");
        Directory.CreateDirectory($"{directory}/cache/archives/partial");
        if (release is not null)
        {
            File.WriteAllText($"{directory}/sources.list", $"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {release} main\n");
            File.WriteAllText($"{directory}/status", "");
        }
        say("Reading the lists of Debian packages.");
        Explain(() => HostProgram.Run("apt-get", [.. _options, "update"], directory));
    }

    /// <summary>The first package that <paramref name="package"/> depends on: for a kernel's general name the one with the version in it.</summary>
    internal string FirstDependency(string package)
    {
        string output = Explain(() => HostProgram.Run("apt-cache", [.. _options, "depends", package], directory));
        foreach (string line in output.Split('\n', StringSplitOptions.TrimEntries))
            if (line.StartsWith("Depends: ", StringComparison.Ordinal)) return line[9..];
        throw new UserException($"The host's package sources do not have {package}; the tiny guest needs those of Debian 12.", ExitStatus.BadConfiguration);
    }

    /// <summary>The package itself and all that it needs and the host does not have installed; nothing is installed by this.</summary>
    internal IReadOnlyList<string> NotInstalled(string package)
    {
        string output = Explain(() => HostProgram.Run("apt-get", [.. _options, "-s", "--no-install-recommends", "install", package], directory));
        List<string> packages = [];
        foreach (string line in output.Split('\n'))
            if (line.StartsWith("Inst ", StringComparison.Ordinal)) packages.Add(line.Split(' ')[1]);
        return packages;
    }

    /// <summary>Downloads packages into the directory.</summary>
    internal void Download(IReadOnlyList<string> packages)
    {
        say(packages.Count > 3 ? $"Downloading {packages.Count} packages." : $"Downloading {string.Join(" and ", packages)}.");
        Explain(() => HostProgram.Run("apt-get", [.. _options, "download", .. packages], directory));
    }

    /// <summary>Reads the files of a downloaded package for which <paramref name="wanted"/> is true: path (beginning with <c>./</c>) and content.</summary>
    internal Dictionary<string, byte[]> Read(string package, Predicate<string> wanted)
    {
        string file = Directory.GetFiles(directory, $"{package}_*.deb")[0];
        Dictionary<string, byte[]> files = [];
        Explain(() =>
        {
            HostProgram.Run("dpkg-deb", ["--fsys-tarfile", file], directory, stream => ReadArchive(stream, wanted, files));
            return "";
        });
        return files;
    }

    /// <summary>Reads the files of a tar archive for which <paramref name="wanted"/> is true.</summary>
    internal static void ReadArchive(Stream stream, Predicate<string> wanted, Dictionary<string, byte[]> files)
    {
        using TarReader tar = new(stream, leaveOpen: true);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is null || !wanted(entry.Name)) continue;
            byte[] content = new byte[entry.Length];
            entry.DataStream.ReadExactly(content);
            files[entry.Name] = content;
        }
    }

    private static string Explain(Func<string> run)
    {
        try
        {
            return run();
        }
        catch (HostProgramException error)
        {
            throw new UserException($"{error.Message} The tiny guest's packages come from the network once: mend the network or the host's "
                + "package sources, or give a kernel of your own with --kernel and --initrd.", ExitStatus.BadConfiguration);
        }
    }
}
