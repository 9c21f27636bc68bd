"""The words and numbers of the sample PDF. All of it is invented.

The three pages agree with each other: sums add up, and the article and the table say
the same about each light.
"""

from __future__ import annotations

__all__ = ["ABSTRACT", "ARTICLE", "BYLINE", "LETTER", "LIGHTS", "SUBTITLE", "TITLE", "USE"]

TITLE = "Six Lights, One Crew"
SUBTITLE = "The Skarholm Lighthouse Cooperative in 2024"
BYLINE = "Leonie Hartog and Samuel Brandt"
ABSTRACT = (
    "<b>Abstract.</b> The Skarholm Lighthouse Cooperative keeps six lights with a crew of "
    "eleven. In 2024 it welcomed 25,056 visitors, cut its use of electricity to 22.4 MWh and "
    "finished the change from halogen to LED lamps that began in 2022. This report says how, "
    "what it cost, and why one fog signal fell silent on a November night."
)
ARTICLE: tuple[tuple[str, str], ...] = (
    ("heading", "1  Who keeps the lights"),
    (
        "first",
        "The cooperative was founded on 4 May 1987, when the state gave up the last manned "
        "station of the sound. Forty-one fishing families put down two hundred crowns each and "
        "bought the tower of Corrie Head for the price of its scrap iron. Today there are 318 "
        "members. Each has one vote, whatever the number of shares.",
    ),
    (
        "text",
        "Ingrid Vasterling has been in the chair since 2019. Tomas Arkwell, the head keeper, "
        "leads a crew of eleven: six keepers, two electricians, two boatmen and a guide. Nobody "
        "lives on the rocks any more, yet every tower is visited at least once in nine days, "
        "weather permitting. The longest gap of the year was sixteen days at Vannet Rock, in "
        "February.",
    ),
    ("heading", "2  From halogen to LED"),
    (
        "first",
        "Until 2021 every tower burned a halogen lamp of 1,000 watts. The new lamp draws 140 "
        "watts, fits the old lens and can be carried up the stairs under one arm. The first was "
        "lit at Tarn Point on 9 March 2022; the sixth and last, at Petrel Bank, on 27 September "
        "2024. The whole programme cost 96,300 crowns, which is 4,700 crowns less than "
        "planned.",
    ),
    (
        "text",
        "Mariners were asked what they saw. Of 74 skippers who answered, 61 found the new light "
        "easier to tell from the lamps of the shore, nine saw no difference and four missed the "
        "warmer colour of the old one. The range of each light is unchanged, as the harbour "
        "board had demanded.",
    ),
    (
        "text",
        "The old lamps were not thrown away. Two are shown in the museum at Corrie Head, one "
        "went to the school of navigation, and three wait in the store at Tarn Point as spares "
        "for the festival in August.",
    ),
    ("heading", "3  Visitors"),
    (
        "first",
        "Six towers were open on 143 days. Corrie Head drew 9,412 people, more than a third of "
        "all visitors; Petrel Bank, which can only be reached at low tide, drew 814. A ticket "
        "costs 6 crowns, and children under twelve pay nothing. The busiest day was 17 August, "
        "the night of the lamps, with 1,206 guests on three islands.",
    ),
    (
        "text",
        "A count at the gate showed that two guests in five came by ferry from the mainland. "
        "The guide, Marit Olander, led 212 tours, 38 of them for schools. From 2025 on, tours "
        "will also be given in sign language, on the first Sunday of each month.",
    ),
    ("heading", "4  The night of 11 November"),
    (
        "first",
        "At 02:15 the fog signal of Vannet Rock fell silent. A cracked membrane had let salt "
        "water into the emitter, and the spare one failed within a minute. The ferry "
        "<i>Marigold</i> was two miles off with 132 passengers. Tomas Arkwell, who had stayed "
        "on the rock because of the swell, worked the hand horn for 47 minutes until the ferry "
        "was safely in. Nobody was hurt. The harbour board has since granted money for a new "
        "emitter; its letter is printed on the next page.",
    ),
    (
        "text",
        "The log of the light records the wind as north-west, force 8, and the sight as less "
        "than half a mile. It also records that the hand horn was made in 1903 and had last "
        "been used in earnest in 1974. It has been oiled every month since.",
    ),
    ("heading", "5  Money"),
    (
        "first",
        "Income was 412,600 crowns: 178,000 from light dues, 131,500 from tickets and the shop, "
        "and 103,100 from gifts. Expenses were 389,900 crowns, of which wages took 241,000. "
        "The surplus of 22,700 crowns goes into the fund for the stairs of Vannet Rock, whose "
        "144 steps have not been repaired since 1961.",
    ),
    (
        "text",
        "The shop sold 2,310 jars of its samphire pickle, which is more than in any year before, "
        "and ran out of them on 2 September. Gifts came from 1,140 people in nine countries. "
        "The largest, of 15,000 crowns, was left by the late Agnes Tollmar, who painted the "
        "tower of Gull Stack every summer for thirty years.",
    ),
    ("heading", "6  What comes next"),
    (
        "first",
        "In April 2025 solar panels will be mounted on the boathouse of Tarn Point. They should "
        "give 6.5 MWh a year, a little more than a quarter of what the six lights need. The "
        "members meet on 14 June 2025 in the net loft of Skarholm North. On the table lies the "
        "question whether a seventh light, the small beacon of Hollow Ness, should be taken "
        "over from the port.",
    ),
    (
        "text",
        "Two young electricians begin their training in September. They will learn to mend what "
        "can no longer be bought: the clockwork of Corrie Head, which has turned its lens "
        "since 1841 and loses four seconds a day. The two places drew 57 applications, one of "
        "them from the granddaughter of Nils Oberhand, the last keeper whom the state paid.",
    ),
)
"""Page i, as ``(paragraph style, text)``."""

LETTER: tuple[tuple[float, str], ...] = (
    (0, "3 February 2025"),
    (0, "Our reference: HB-2025-017"),
    (1, "Ms Ingrid Vasterling"),
    (0, "Skarholm Lighthouse Cooperative"),
    (0, "2 Lamp Lane, Skarholm"),
    (1.4, "Fog signal at Vannet Rock"),
    (1.4, "Dear Ms Vasterling,"),
    (1, "I write to confirm what the harbour board decided on"),
    (0, "29 January 2025. Your fog signal at Vannet Rock failed on"),
    (0, "11 November 2024 at 02:15, while the ferry Marigold was"),
    (0, "coming in with 132 passengers on board. That she berthed"),
    (0, "safely is owed to your head keeper, Mr Tomas Arkwell, who"),
    (0, "sounded the hand horn for 47 minutes. The board has asked"),
    (0, "me to thank him, and I do so gladly."),
    (1, "The board grants the cooperative 18,450 crowns for a new"),
    (0, "emitter, on three conditions:"),
    (1, "1. The new emitter is in service by 30 June 2025."),
    (0, "2. It is tested at every new moon, and each test is"),
    (0, "   entered in the log of the light."),
    (0, "3. A spare membrane is always kept on the rock."),
    (1, "Half of the sum will be paid on 1 March 2025, the rest"),
    (0, "when our surveyor, Mr Joss Pellew, has heard the signal"),
    (0, "from a distance of four nautical miles."),
    (1, "Yours sincerely,"),
    (4.2, "Edda Rowntree"),
    (0, "Harbour Master"),
)
"""Page ii, as ``(empty lines before, line)``."""

LIGHTS: tuple[tuple[str, ...], ...] = (
    ("Light", "First lit", "Height (m)", "Range (nm)", "Character", "Visitors 2024"),
    ("Corrie Head", "1841", "38", "24", "Fl 10s", "9,412"),
    ("Vannet Rock", "1856", "44", "22", "Fl(2) 15s", "1,087"),
    ("Skarholm North", "1868", "21", "18", "Iso 4s", "6,530"),
    ("Tarn Point", "1874", "17", "15", "Oc 6s", "4,268"),
    ("Gull Stack", "1889", "29", "20", "Fl(3) 20s", "2,945"),
    ("Petrel Bank", "1907", "12", "10", "Q", "814"),
    ("All lights", "", "", "", "", "25,056"),
)
"""The table of page iii: a header, six lights, a total."""
USE: tuple[tuple[int, float], ...] = (
    (2019, 61.2),
    (2020, 59.8),
    (2021, 60.5),
    (2022, 48.3),
    (2023, 31.7),
    (2024, 22.4),
)
"""The bars of page iii, as ``(year, megawatt hours)``."""
